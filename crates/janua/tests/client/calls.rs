//! Calls and what comes of them, in both eras, over stdio and HTTP.

use janua_testkit::gateway::Gateway;
use serde_json::Value;

use crate::scene::{command, ended, janua, scripted};

const ERAS: [&str; 2] = ["everything", "everything --era modern"];

#[tokio::test]
async fn a_tool_is_called_in_both_eras() {
    for era in ERAS {
        let server = scripted(era);
        assert_eq!(janua(&["call", "echo", "text=two words"], &server).await.done(), "two words\n");
        let reported = janua(&["call", "test_tool_with_progress"], &server).await;
        assert_eq!(reported.stderr, "", "a pipe shows no progress");
        assert_eq!(reported.done(), "Reported three times.\n");
        let logged = janua(&["call", "test_tool_with_logging"], &server).await;
        assert!(
            logged.stderr.contains("[info] ") && logged.stderr.contains("Tool processing data"),
            "{}",
            logged.stderr
        );
        let quiet = janua(&["call", "test_tool_with_logging", "--server-log", "error"], &server).await;
        assert!(!quiet.stderr.contains("Tool processing data"), "{}", quiet.stderr);
        let failed = janua(&["call", "test_error_handling"], &server).await.failed(1);
        assert!(failed.starts_with("This tool intentionally returns an error"), "{failed}");
        let refused = janua(&["call", "rpcerror"], &server).await.failed(1);
        assert!(refused.contains("bad params (code -32602, culprit server)"), "{refused}");
        assert!(refused.contains("`janua tools`"), "what to do next: {refused}");
    }
}

#[tokio::test]
async fn json_is_the_result_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = r#"{"content":[ ],"z":1.0,"a":12345678901234567890123,"structuredContent":{"b":1e2,"a":"é"}}"#;
    let path = folder.path().join("raw");
    std::fs::write(&path, raw).expect("written");
    let word = format!("json=@{}", path.display());
    let server = scripted("everything");
    assert_eq!(janua(&["call", "rawresult", &word, "--json"], &server).await.done(), format!("{raw}\n"));
    let spread = janua(&["call", "rawresult", &word], &server).await.done();
    assert_eq!(spread, "{\n  \"b\": 1e2,\n  \"a\": \"é\"\n}\n");
    let failed = janua(&["call", "--json", "test_error_handling"], &server).await;
    assert_eq!(failed.code, Some(1));
    assert!(serde_json::from_str::<Value>(&failed.stdout).is_ok_and(|result| result["isError"] == true));
    let refused = janua(&["call", "--json", "rpcerror"], &server).await;
    assert_eq!((refused.code, refused.stdout.contains("\"code\":-32602")), (Some(1), true), "{}", refused.stdout);
}

#[tokio::test]
async fn arguments_may_be_one_object_from_standard_input() {
    let server = scripted("everything");
    assert_eq!(janua(&["call", "echo", "--json", r#"{"text":"hi"}"#], &server).await.done(), "hi\n");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("arguments.json");
    std::fs::write(&path, "{\n\"text\": \"from standard input\"}\n").expect("written");
    let mut read = command(&["call", "echo", "--json", "-"], &server);
    read.stdin(std::fs::File::open(&path).expect("there"));
    assert_eq!(ended(read).await.done(), "from standard input\n");
    let broken = janua(&["call", "echo", "--json", "{s3cret"], &server).await.failed(2);
    assert!(broken.contains("no JSON: line 1, column 2") && !broken.contains("s3cret"), "{broken}");
}

#[tokio::test]
async fn wrong_arguments_are_told_and_nothing_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let server = scripted(&format!("everything --journal {}", journal.display()));
    let wrong = janua(&["call", "echo", "tex=s3cret"], &server).await.failed(2);
    assert!(wrong.contains("tex is not known, did you mean text?; text is missing"), "{wrong}");
    assert!(wrong.contains("text=STRING (required)") && !wrong.contains("s3cret"), "{wrong}");
    let typed = janua(&["call", "slow_compute", "seconds=soon"], &server).await.failed(2);
    assert!(typed.contains("seconds: must be number"), "{typed}");
    let unknown = janua(&["call", "ehco", "text=x"], &server).await.failed(2);
    assert!(unknown.contains("there is no tool ehco; did you mean echo?"), "{unknown}");
    let journal = std::fs::read_to_string(&journal).expect("a journal");
    assert!(journal.contains("tools/list") && !journal.contains("tools/call"), "{journal}");
}

#[tokio::test]
async fn tools_are_shown_with_their_parameters() {
    let server = scripted("everything");
    let table = janua(&["tools"], &server).await.done();
    assert!(table.lines().any(|line| line.starts_with("  test_simple_text ") && line.ends_with("One line of text")));
    let raw: Value = serde_json::from_str(&janua(&["tools", "--json"], &server).await.done()).expect("JSON");
    assert_eq!(raw["tools"].as_array().map(Vec::len), Some(table.lines().count()));
    let one = janua(&["tools", "json_schema_2020_12_tool"], &server).await.done();
    assert!(one.contains("contactMethod=phone|email") && one.contains("address=OBJECT"), "{one}");
    let pages = scripted("everything --pages");
    let paged: Value = serde_json::from_str(&janua(&["tools", "--json"], &pages).await.done()).expect("JSON");
    assert_eq!(paged["tools"], raw["tools"], "the pages are put together");
}

#[tokio::test]
async fn prompts_and_resources_are_read_in_both_eras() {
    let folder = tempfile::tempdir().expect("a folder");
    for era in ERAS {
        let server = scripted(era);
        let prompt = janua(&["prompt", "test_prompt_with_arguments", "arg1=x", "arg2=a=b"], &server).await.done();
        assert_eq!(prompt, "user: Prompt with arguments: arg1='x', arg2='a=b'\n");
        let missing = janua(&["prompt", "test_prompt_with_arguments", "arg1=x"], &server).await.failed(2);
        assert!(missing.contains("arg2 is missing") && missing.contains("arg2 (required)"), "{missing}");
        let text = janua(&["read", "test://static-text"], &server).await.done();
        assert_eq!(text, "This is the content of the static text resource.");
        let mut blob = command(&["read", "test://static-binary"], &server);
        let blob = blob.output().await.expect("it runs").stdout;
        assert!(blob.starts_with(b"\x89PNG\r\n"), "the bytes as they are: {blob:?}");
        let nowhere = janua(&["read", "test://nowhere"], &server).await.failed(1);
        assert!(nowhere.contains("culprit server"), "{nowhere}");
        let save = folder.path().join(era.replace(' ', ""));
        let saved =
            janua(&["call", "test_image_content", "--save", save.to_str().expect("text")], &server).await.done();
        assert!(saved.starts_with("[image, image/png, 69 bytes, saved as "), "{saved}");
        assert!(std::fs::read(save.join("content-1.png")).expect("a file").starts_with(b"\x89PNG"));
    }
}

#[tokio::test]
async fn a_server_is_reached_by_its_address() {
    let program = scripted("everything --era dual");
    let mut words = vec!["--".to_owned()];
    words.extend(program);
    let gateway = Gateway::start(env!("CARGO_BIN_EXE_janua"), &words).await;
    let url = gateway.url("/mcp");
    assert_eq!(janua(&["call", "--url", &url, "echo", "text=far"], &[]).await.done(), "far\n");
    let form = [
        "call",
        "--url",
        &url,
        "test_elicitation",
        "message=who",
        "--answer",
        "username=ann",
        "--answer",
        "email=a@b.c",
    ];
    assert!(janua(&form, &[]).await.done().contains("action=accept"));
    let nobody = janua(&["tools", "--url", "http://127.0.0.1:9/mcp"], &[]).await.failed(1);
    assert!(nobody.contains("check its address"), "{nobody}");
}
