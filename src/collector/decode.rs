//! From a body to batches of records, one batch in memory at a time.

use std::{io, mem};

use bytes::{Bytes, BytesMut};

use super::{
    body::Body,
    split::{Boundary, Splitter},
};
use crate::{
    component::{InvalidRecord, JsonObject, Repair},
    normalize::RecordMembers,
};

/// A record of a blob.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its text.
    pub object: JsonObject,
    /// What the collector needs of it.
    pub members: RecordMembers,
    /// What had to be repaired.
    pub repair: Repair,
}

impl Record {
    /// Whether it is an audit record and not, say, an error message. Only objects that are in no array have to be.
    const fn looks_like_one(&self) -> bool {
        self.members.id.is_some() || self.members.creation_time.is_some()
    }
}

/// Records that are sent together.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<Record>,
    /// Why each element that is not a record is not.
    pub discarded: Vec<String>,
    /// How many of those are objects in no array that may be, say, an error message.
    pub foreign: usize,
    /// How many bytes of text the records have.
    pub bytes: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.discarded.is_empty()
    }
}

/// How large a batch may be.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// In events.
    pub max_events: usize,
    /// In bytes of record text; a larger record makes a batch of its own.
    pub max_bytes: usize,
    /// A larger record is discarded, visibly.
    pub max_record_bytes: usize,
}

/// Reads a body record by record.
#[derive(Debug)]
pub struct Decoder {
    body: Body,
    /// How many elements of a body that is split already have been read.
    read: usize,
    splitter: Splitter,
    limits: BatchLimits,
    piece: Bytes,
    element: Element,
    batch: Batch,
}

/// The text of an element, or how many bytes it has if that is too many; and whether it is an object that is in no array.
type Next = (Result<Bytes, usize>, bool);

/// The element that is being read.
#[derive(Debug)]
enum Element {
    /// None.
    None,
    /// The part of it that was in earlier pieces.
    Partial(BytesMut),
    /// Too large; how many bytes went by.
    Skipped(usize),
}

impl Decoder {
    /// A decoder of `body`.
    pub fn new(body: Body, limits: BatchLimits) -> Self {
        Self {
            body,
            read: 0,
            splitter: Splitter::default(),
            limits,
            piece: Bytes::new(),
            element: Element::None,
            batch: Batch::default(),
        }
    }

    /// The body, to be read once more.
    pub async fn rewind(mut self) -> io::Result<Body> {
        self.body.rewind().await?;
        Ok(self.body)
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the spooled body cannot be read any more.
    pub async fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        while let Some(element) = self.next_element().await? {
            if let Some(full) = self.add(element) {
                return Ok(Some(full));
            }
        }
        Ok(Some(mem::take(&mut self.batch)).filter(|batch| !batch.is_empty()))
    }

    async fn next_element(&mut self) -> io::Result<Option<Next>> {
        if self.body.is_split() {
            let element = self.body.element(self.read);
            self.read += 1;
            return Ok(element.map(|(text, is_alone)| (self.unless_too_large(text), is_alone)));
        }
        loop {
            if self.piece.is_empty() {
                match self.body.next_piece().await? {
                    Some(piece) => self.piece = piece,
                    None => return Ok(None),
                }
            }
            while !self.piece.is_empty() {
                if let Some(element) = self.advance()? {
                    return Ok(Some((element, self.splitter.is_alone())));
                }
            }
        }
    }

    fn unless_too_large(&self, text: Bytes) -> Result<Bytes, usize> {
        if text.len() > self.limits.max_record_bytes { Err(text.len()) } else { Ok(text) }
    }

    /// Consumes a part of the current piece; returns an element when one is complete.
    fn advance(&mut self) -> io::Result<Option<Result<Bytes, usize>>> {
        // The body was checked when it was received; only a spool file that changed under us can fail here.
        let (consumed, boundary) = self.splitter.next(&self.piece).map_err(io::Error::other)?;
        let part = self.piece.split_to(consumed);
        Ok(match boundary {
            Some(Boundary::Start) => {
                self.element = Element::Partial(BytesMut::new());
                None
            }
            Some(Boundary::End) => match mem::replace(&mut self.element, Element::None) {
                Element::Skipped(bytes) => Some(Err(bytes + part.len())),
                Element::Partial(earlier) if earlier.len() + part.len() > self.limits.max_record_bytes => {
                    Some(Err(earlier.len() + part.len()))
                }
                // An element within one piece is a slice of it, without a copy.
                Element::Partial(earlier) if earlier.is_empty() => Some(Ok(part)),
                Element::Partial(mut earlier) => {
                    earlier.extend_from_slice(&part);
                    Some(Ok(earlier.freeze()))
                }
                Element::None => None,
            },
            None => {
                match &mut self.element {
                    Element::None => {}
                    Element::Skipped(bytes) => *bytes += part.len(),
                    Element::Partial(earlier) if earlier.len() + part.len() > self.limits.max_record_bytes => {
                        self.element = Element::Skipped(earlier.len() + part.len());
                    }
                    Element::Partial(earlier) => earlier.extend_from_slice(&part),
                }
                None
            }
        })
    }

    /// Adds an element to the batch; returns the batch before it, if that is full.
    fn add(&mut self, (element, is_alone): Next) -> Option<Batch> {
        let mut is_foreign = false;
        let record = match element {
            Ok(text) => match read_record(text) {
                Ok(record) if is_alone && !record.looks_like_one() => {
                    is_foreign = true;
                    Err("an object that is in no array and is no audit record".to_owned())
                }
                read => read.map_err(|error| error.to_string()),
            },
            Err(bytes) => {
                let limit = self.limits.max_record_bytes;
                Err(format!("the record has {bytes} bytes, more than memory.max_record_bytes ({limit})"))
            }
        };
        let size = record.as_ref().map_or(0, |record| record.object.as_bytes().len());
        let batch = &mut self.batch;
        let full = batch.records.len() + batch.discarded.len() >= self.limits.max_events
            || (size > 0 && !batch.is_empty() && batch.bytes + size > self.limits.max_bytes);
        let before = full.then(|| mem::take(batch));
        batch.foreign += usize::from(is_foreign);
        match record {
            Ok(record) => {
                batch.bytes += size;
                batch.records.push(record);
            }
            Err(problem) => batch.discarded.push(problem),
        }
        before
    }
}

/// Checks one element, repairing what can be, and finds the members the collector needs in the same walk.
///
/// # Errors
///
/// When it is no JSON object.
pub fn read_record(text: Bytes) -> Result<Record, InvalidRecord> {
    let mut members = RecordMembers::default();
    let (object, repair) = JsonObject::parse_repairing(text, |name, raw| members.visit(name, raw))?;
    Ok(Record { object, members, repair })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::{collector::body::BodyLimits, transport::TransportError};

    const BATCHES: BatchLimits = BatchLimits { max_events: 3, max_bytes: 1_000, max_record_bytes: 10_000 };

    async fn decode(body: &[u8], limits: BatchLimits, spool_threshold: usize) -> Vec<Batch> {
        let directory = TempDir::new().unwrap();
        let chunks: Vec<_> = body.chunks(1_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let chunks: Vec<Result<Bytes, TransportError>> = chunks;
        let receive = BodyLimits { spool_threshold, max_blob_bytes: 1 << 30 };
        let body = Body::receive(stream::iter(chunks), receive, directory.path()).await.unwrap();
        let mut decoder = Decoder::new(body, limits);
        let mut batches = Vec::new();
        while let Some(batch) = decoder.next_batch().await.unwrap() {
            batches.push(batch);
        }
        batches
    }

    #[tokio::test]
    async fn batches_have_a_bounded_number_of_records() {
        let batches = decode(br#"[{"Id":"1"},{"Id":"2"},{"Id":"3"},{"Id":"4"}]"#, BATCHES, 1 << 20).await;
        let ids: Vec<Vec<_>> = batches
            .iter()
            .map(|batch| batch.records.iter().map(|record| record.members.id.clone().unwrap()).collect())
            .collect();
        assert_eq!(ids, [vec!["1", "2", "3"], vec!["4"]]);
    }

    #[tokio::test]
    async fn batches_have_a_bounded_size_and_a_huge_record_is_discarded_alone() {
        let record = |n: usize| format!(r#"{{"Id":"{}"}}"#, "x".repeat(n));
        let body = format!("[{},{},{},{}]", record(600), record(600), record(2_000), record(300_000));
        for spool_threshold in [0, 1 << 30] {
            let batches = decode(body.as_bytes(), BATCHES, spool_threshold).await;
            let shape: Vec<_> = batches.iter().map(|batch| (batch.records.len(), batch.discarded.len())).collect();
            assert_eq!(shape, [(1, 0), (1, 0), (1, 1)]);
            assert!(batches[2].discarded[0].contains("300009 bytes"), "{:?}", batches[2].discarded);
        }
    }

    #[tokio::test]
    async fn what_is_no_object_is_discarded_and_the_rest_passes() {
        let body =
            b"\xef\xbb\xbf[{\"Id\":\"a\"}, 7, null, [{}], {\"Id\":}, \"x\", {\"Id\":\"\xff\"}, {\"Id\":\"\\ud800\"}]";
        let limits = BatchLimits { max_events: 100, ..BATCHES };
        let batches = decode(body, limits, 1 << 20).await;
        assert_eq!((batches[0].records.len(), batches[0].discarded.len()), (3, 5));
        assert!(batches[0].records[1].repair.invalid_utf8);
        assert_eq!(batches[0].records[2].repair.lone_surrogates, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_record_comes_out_once_in_order_spooled_or_not(
            sizes in prop::collection::vec(0..3_000usize, 0..30),
            max_events in 1..10usize,
            max_bytes in 1..5_000usize,
            spooled in any::<bool>(),
        ) {
            let records: Vec<String> =
                sizes.iter().enumerate().map(|(n, size)| format!(r#"{{"Id":"{n}","x":"{}"}}"#, "[".repeat(*size))).collect();
            let body = format!("[{}]", records.join(","));
            let limits = BatchLimits { max_events, max_bytes, max_record_bytes: 1 << 20 };
            let threshold = if spooled { 0 } else { 1 << 20 };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let batches = runtime.block_on(decode(body.as_bytes(), limits, threshold));
            let found: Vec<&str> =
                batches.iter().flat_map(|batch| batch.records.iter().map(|record| record.object.as_str())).collect();
            prop_assert_eq!(found, records);
            for batch in &batches {
                prop_assert!(batch.records.len() <= max_events);
                prop_assert!(batch.bytes <= max_bytes || batch.records.len() == 1);
            }
        }
    }
}
