//! Bodies that are more, or something else, than the array that the API promises.
//!
//! | Body | What becomes of it |
//! |---|---|
//! | objects one after the other (JSON lines), or a single one | records, like the elements of an array |
//! | one of those objects has neither `Id` nor `CreationTime`, as an error message has neither | a failed attempt; after several the object is discarded, visibly, and the others are records |
//! | all of them have neither | a failed attempt, however often |
//! | an array that is complete, and behind it the beginning of another array's elements, or of an object | a failed attempt; after several all that is complete is taken, and an end that is cut off is discarded, visibly |
//! | an array, and behind it anything else | the array; what follows is ignored, counted and logged |
//!
//! So a temporary fault only causes another download. If the fault stays, every complete record is delivered: two
//! arrays are two pages to the service that wrote them, and dropping the second would lose more.

use std::io;

use super::{
    body::Body,
    decode::{BatchLimits, Decoder},
};

/// Says what is wrong with a body, if it is no content; gives it back to be read from its beginning. `is_final`:
/// whether the same oddity has come so often that another attempt would not help.
///
/// # Errors
///
/// When the spooled body cannot be read any more.
pub async fn judge(body: Body, limits: BatchLimits, is_final: bool) -> io::Result<Result<Body, String>> {
    let form = body.form();
    if form.goes_on && !is_final {
        return Ok(Err("records follow the array".to_owned()));
    }
    if !form.begins_with_object {
        return Ok(Ok(body));
    }
    // An error message may follow many records, and a failed attempt must emit none of them. It is rare enough to read
    // the body twice.
    let mut decoder = Decoder::new(body, limits);
    let (mut records, mut foreign) = (0, 0);
    while let Some(batch) = decoder.next_batch().await? {
        records += batch.records.len();
        foreign += batch.foreign;
    }
    if records == 0 {
        return Ok(Err("an object that is no audit record".to_owned()));
    }
    if foreign > 0 && !is_final {
        return Ok(Err("an object among the records that is no audit record".to_owned()));
    }
    decoder.rewind().await.map(Ok)
}
