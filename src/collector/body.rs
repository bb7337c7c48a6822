//! A blob's body, received whole before anything is made of it.
//!
//! A broken download must emit nothing, and memory must not grow with the size of a blob: a small body stays in memory, a
//! larger one goes to a file under the data directory, and both are read again in pieces.

use std::{error::Error, io, ops::Range, path::Path};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use snafu::{ResultExt, Snafu};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{
    split::{Boundary, Form, MalformedBody, Splitter},
    spool::{Occupied, Spool},
};

/// How much of a spooled body is read at a time.
pub const PIECE: usize = 256 * 1024;

/// A complete, well-formed body.
#[derive(Debug)]
pub struct Body {
    pieces: Pieces,
    len: u64,
    held: usize,
    form: Form,
    count: u64,
}

#[derive(Debug)]
enum Pieces {
    Memory { body: Bytes, is_read: bool, elements: Option<Vec<Element>> },
    Spooled(File, #[expect(dead_code, reason = "held for its drop")] Occupied),
}

/// Where an element of a body in memory is.
#[derive(Clone, Copy, Debug)]
struct Element {
    start: usize,
    end: usize,
    is_alone: bool,
}

/// The elements that were found while a body came in, so that it need not be split again.
struct Elements {
    found: Vec<Element>,
    most: usize,
    /// All elements, also those whose places are not kept.
    count: u64,
    /// Bytes that were looked at.
    position: usize,
    start: usize,
}

impl Elements {
    /// Of a body of up to so many bytes. Records have hundreds of bytes; where elements are much smaller, their places would
    /// take more memory than they are worth.
    const fn new(longest: usize) -> Self {
        Self { found: Vec::new(), most: longest / 64, count: 0, position: 0, start: 0 }
    }

    /// Looks at more of the body.
    fn scan(&mut self, splitter: &mut Splitter, mut chunk: &[u8]) -> Result<(), MalformedBody> {
        loop {
            let (consumed, boundary) = splitter.next(chunk)?;
            chunk = &chunk[consumed..];
            self.position += consumed;
            match boundary {
                None => return Ok(()),
                Some(Boundary::Start) => self.start = self.position,
                Some(Boundary::End) => {
                    self.count += 1;
                    // One more than `most` says that there are too many.
                    if self.found.len() <= self.most {
                        let is_alone = splitter.is_alone();
                        self.found.push(Element { start: self.start, end: self.position, is_alone });
                    }
                }
            }
        }
    }

    /// All of them, unless they are too many.
    fn finish(self) -> Option<Vec<Element>> {
        (self.found.len() <= self.most).then_some(self.found)
    }
}

/// How a body is received.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// A larger body is spooled, in bytes.
    pub spool_threshold: usize,
    /// A larger body is refused, in bytes.
    pub max_blob_bytes: u64,
}

/// Why there is no body.
#[derive(Debug, Snafu)]
pub enum BodyError<E: Error + 'static> {
    /// It broke off.
    #[snafu(display("{source}"))]
    Broken {
        /// How.
        source: E,
    },
    /// It came, but is neither an array nor objects.
    #[snafu(display("{source}"))]
    Malformed {
        /// What it is.
        source: MalformedBody,
        /// Its beginning, which may be an error message.
        start: Bytes,
    },
    /// It is too large.
    #[snafu(display("larger than {limit} bytes"))]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// It could not be spooled.
    #[snafu(display("cannot spool a content blob: {source}"))]
    Spool {
        /// Why.
        source: io::Error,
    },
}

impl Body {
    /// Receives a body; files go to `directory`, without a name, so that no crash leaves them behind.
    ///
    /// # Errors
    ///
    /// See [`BodyError`].
    pub async fn receive<E: Error + 'static>(
        mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limits: BodyLimits,
        directory: &Path,
    ) -> Result<Self, BodyError<E>> {
        let too_large = || BodyError::TooLarge { limit: limits.max_blob_bytes };
        let mut splitter = Splitter::default();
        let mut elements = Elements::new(limits.spool_threshold);
        let mut memory = BytesMut::new();
        let mut spool: Option<Spool> = None;
        let mut len = 0;
        let mut start = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.context(BrokenSnafu)?;
            len += chunk.len() as u64;
            if len > limits.max_blob_bytes {
                return Err(too_large());
            }
            start.extend_from_slice(&chunk[..chunk.len().min(START - start.len())]);
            elements.scan(&mut splitter, &chunk).map_err(|source| malformed(source, &start))?;
            if let Some(file) = &mut spool {
                file.write(&chunk).await.context(SpoolSnafu)?;
                continue;
            }
            memory.extend_from_slice(&chunk);
            if memory.len() > limits.spool_threshold {
                let mut file = Spool::create(directory).await.context(SpoolSnafu)?;
                file.write(&memory).await.context(SpoolSnafu)?;
                memory = BytesMut::new();
                spool = Some(file);
            }
        }
        let form = splitter.finish().map_err(|source| malformed(source, &start))?;
        let count = elements.count;
        let (pieces, held) = match spool {
            None => {
                let body = memory.freeze();
                let held = body.len();
                (Pieces::Memory { body, is_read: false, elements: elements.finish() }, held)
            }
            Some(spool) => {
                let (file, occupied) = spool.finish().await.context(SpoolSnafu)?;
                (Pieces::Spooled(file, occupied), 0)
            }
        };
        Ok(Self { pieces, len, held, form, count })
    }

    /// A body of records that came one by one: `text` has them, each in one of these places.
    pub fn of_records(text: Bytes, places: &[Range<usize>]) -> Self {
        let element = |place: &Range<usize>| Element { start: place.start, end: place.end, is_alone: false };
        let elements = Some(places.iter().map(element).collect());
        let (len, held, count) = (text.len() as u64, text.len(), places.len() as u64);
        Self {
            pieces: Pieces::Memory { body: text, is_read: false, elements },
            len,
            held,
            form: Form::default(),
            count,
        }
    }

    /// Its length, in bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// How many elements it has.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// What it is beside an array.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// How many bytes stay in memory as long as a record of the body does. Zero for a spooled body, whose records hold
    /// only the pieces they were read in.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Has it read from its beginning once more.
    ///
    /// # Errors
    ///
    /// When the spool file cannot be used.
    pub async fn rewind(&mut self) -> io::Result<()> {
        match &mut self.pieces {
            Pieces::Memory { is_read, .. } => *is_read = false,
            Pieces::Spooled(file, _) => _ = file.rewind().await?,
        }
        Ok(())
    }

    /// Whether its elements can be had by their number, without splitting it.
    pub const fn is_split(&self) -> bool {
        matches!(self.pieces, Pieces::Memory { elements: Some(_), .. })
    }

    /// An element by its number, and whether it is an object that is in no array. `None` after the last one.
    pub fn element(&self, number: usize) -> Option<(Bytes, bool)> {
        let Pieces::Memory { body, elements: Some(elements), .. } = &self.pieces else { return None };
        let element = elements.get(number)?;
        Some((body.slice(element.start..element.end), element.is_alone))
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the spool file cannot be read.
    pub async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.pieces {
            Pieces::Memory { body, is_read, .. } => Ok((!std::mem::replace(is_read, true)).then(|| body.clone())),
            Pieces::Spooled(file, _) => {
                let mut piece = BytesMut::with_capacity(PIECE);
                while piece.len() < PIECE && file.read_buf(&mut piece).await? > 0 {}
                Ok((!piece.is_empty()).then(|| piece.freeze()))
            }
        }
    }
}

/// How much of a malformed body is kept, to see whether it is an error message.
const START: usize = 16 * 1024;

fn malformed<E: Error + 'static>(source: MalformedBody, start: &BytesMut) -> BodyError<E> {
    BodyError::Malformed { source, start: start.clone().freeze() }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tempfile::TempDir;

    use super::*;
    use crate::transport::{TransportError, TransportFailure};

    const LIMITS: BodyLimits = BodyLimits { spool_threshold: 1_000, max_blob_bytes: 1_000_000 };

    fn response(
        chunks: Vec<Result<Bytes, TransportError>>,
    ) -> impl Stream<Item = Result<Bytes, TransportError>> + Unpin {
        stream::iter(chunks)
    }

    async fn read(mut body: Body) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = body.next_piece().await.unwrap() {
            all.extend_from_slice(&piece);
        }
        all
    }

    #[tokio::test]
    async fn small_bodies_stay_in_memory_and_large_ones_do_not() {
        let directory = TempDir::new().unwrap();
        for (elements, held) in [(10, true), (100_000, false)] {
            let text = format!("[{}1]", "1,".repeat(elements));
            let chunks = text.as_bytes().chunks(777).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
            let body = Body::receive(response(chunks), LIMITS, directory.path()).await.unwrap();
            assert_eq!((body.len(), body.held() > 0), (text.len() as u64, held));
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "spool files have no names");
            assert_eq!(read(body).await, text.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_broken_truncated_oversized_or_foreign_body_is_none() {
        let directory = TempDir::new().unwrap();
        let broken = TransportError::new(TransportFailure::Broken, "reset");
        let receive = |chunks| Body::receive(response(chunks), LIMITS, directory.path());
        assert!(matches!(receive(vec![Ok("[1,".into()), Err(broken)]).await, Err(BodyError::Broken { .. })));
        assert!(matches!(receive(vec![Ok("[1,".into())]).await, Err(BodyError::Malformed { .. })));
        assert!(matches!(receive(vec![]).await, Err(BodyError::Malformed { .. })));
        let endless = std::iter::once("[").chain(std::iter::repeat_n("1,", 600_000)).map(|text| Ok(text.into()));
        assert!(matches!(receive(endless.collect()).await, Err(BodyError::TooLarge { limit: 1_000_000 })));
        match receive(vec![Ok("<html>".into()), Ok("sorry".into())]).await {
            Err(BodyError::Malformed { start, .. }) => assert_eq!(start, "<html>"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_spool_that_cannot_be_made_is_told_apart() {
        let gone = TempDir::new().unwrap().path().join("gone");
        let chunks = vec![Ok(format!("[{}1]", "1,".repeat(1_000)).into())];
        let result = Body::receive(response(chunks), LIMITS, &gone).await;
        assert!(matches!(result, Err(BodyError::Spool { .. })), "{result:?}");
    }
}
