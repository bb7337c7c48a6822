use super::*;
use crate::host::tests::events;

fn group() -> Vec<Delivery> {
    vec![Delivery::new(events(0..1)), Delivery::new(events(1..2))]
}

const GROUP: &str = "{\"n\":0}\n{\"n\":1}\n";

async fn open(path: &Path) -> Result<FileSink, SinkError> {
    FileSink::open("archive", path).await
}

#[tokio::test]
async fn a_group_is_appended_to_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    for _ in 0..2 {
        let mut sink = open(&path).await.unwrap();
        assert_eq!(sink.write(&group()).await.unwrap(), 16);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), GROUP.repeat(2));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_tail_is_repaired_before_more_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    for (before, after) in [
        ("{\"a\":1}\n", "{\"a\":1}\n"),
        ("{\"a\":1}\n{\"a\":", "{\"a\":1}\n"),
        ("{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":2}\n"),
        ("{\"a\":1}\n{\"a\":2}\0\0", "{\"a\":1}\n{\"a\":2}\n"),
        ("notes of mine", "notes of mine\n"),
        ("{notes", "{notes\n"),
    ] {
        fs::write(&path, before).unwrap();
        open(&path).await.unwrap().write(&group()).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{after}{GROUP}"), "{before:?}");
    }
}

#[tokio::test]
async fn a_file_that_was_moved_or_deleted_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("out.ndjson"), dir.path().join("out.ndjson.1"));
    let mut sink = open(&path).await.unwrap();
    sink.write(&group()).await.unwrap();
    fs::rename(&path, &moved).unwrap();
    sink.write(&group()).await.unwrap();
    assert_eq!(fs::read_to_string(&moved).unwrap(), GROUP);
    assert_eq!(fs::read_to_string(&path).unwrap(), GROUP);
    fs::remove_file(&path).unwrap();
    sink.write(&group()).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), GROUP);
    // `copytruncate`, too: the file stays the same and appending follows its end.
    fs::write(&path, "").unwrap();
    sink.write(&group()).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), GROUP);
}

#[tokio::test]
async fn what_cannot_be_written_to_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none/out.ndjson");
    let error = open(&missing).await.err().unwrap().to_string();
    assert!(error.starts_with("sinks.archive.path: cannot open "), "{error}");
    assert!(error.contains(&format!("Create the directory {}", dir.path().join("none").display())), "{error}");
    let error = open(dir.path()).await.err().unwrap().to_string();
    assert!(error.contains("it is a directory. Write the path of a file"), "{error}");
    let path = dir.path().join("out.ndjson");
    let _open = open(&path).await.unwrap();
    let error = open(&path).await.err().unwrap().to_string();
    assert!(error.contains("Stop the other process"), "{error}");
}

/// A disk that is full, as every Linux has one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_may_pass_and_is_explained() {
    let path = Path::new("/dev/full");
    let mut sink = open(path).await.unwrap();
    for _ in 0..2 {
        let Err(WriteError::MayPass(error)) = sink.write(&group()).await else { panic!("the disk is full") };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let message = sink.failure(error, 5).to_string();
        assert!(message.starts_with("sinks.archive.path: cannot write to /dev/full (5 attempts): "), "{message}");
        assert!(message.contains("Free some space"), "{message}");
    }
}
