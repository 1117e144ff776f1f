//! The reference servers of other authors.

use janua_testkit::peers::{server_everything, server_filesystem, server_time};
use serde_json::Value;

use crate::scene::janua;

#[tokio::test]
async fn the_reference_server_with_every_feature() {
    let server = server_everything().expect("it is set up");
    assert_eq!(janua(&["call", "echo", "message=hi"], &server).await.done(), "Echo: hi\n");
    let sum = janua(&["call", "get-sum", "a=2", "b=40"], &server).await.done();
    assert!(sum.contains("42"), "{sum}");
    let structured = janua(&["call", "get-structured-content", "location=New York"], &server).await.done();
    assert!(
        serde_json::from_str::<Value>(&structured).is_ok_and(|value| value["temperature"].is_number()),
        "{structured}"
    );
    let wrong = janua(&["call", "get-sum", "a=two", "b=40"], &server).await.failed(2);
    assert!(wrong.contains("a: must be number"), "{wrong}");
    let prompt = janua(&["prompt", "args-prompt", "city=Paris"], &server).await.done();
    assert!(prompt.starts_with("user: ") && prompt.contains("Paris"), "{prompt}");
}

#[tokio::test]
async fn the_reference_server_for_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("note.txt");
    std::fs::write(&file, "as it stands\n").expect("written");
    let server = server_filesystem(folder.path()).expect("it is set up");
    let path = format!("path={}", file.display());
    assert_eq!(janua(&["call", "read_text_file", &path], &server).await.done(), "as it stands\n");
    let list = janua(&["call", "read_multiple_files", &format!("paths={}", file.display())], &server).await.done();
    assert!(list.contains("as it stands"), "a lone word becomes a list: {list}");
    let outside = janua(&["call", "read_text_file", "path=/etc/hostname"], &server).await.failed(1);
    assert!(outside.contains("denied"), "{outside}");
}

#[tokio::test]
async fn the_reference_server_for_times() {
    let server = server_time().expect("it is set up");
    let words = ["call", "convert_time", "source_timezone=UTC", "time=12:00", "target_timezone=Asia/Tokyo"];
    let converted = janua(&words, &server).await.done();
    assert!(converted.contains("21:00"), "{converted}");
}
