//! What is described can be used: from a browser, with a client made of the document, and by a fuzzer.

use janua_testkit::peers::{browser, openapi_client, schemathesis, server_everything};
use serde_json::{Value, json};

use crate::scene::{Folder, client, command, demo};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Examples for each operation in the suite's run.
const EXAMPLES: usize = 2;
/// What answers have to keep to. That valid arguments are accepted is no more than a hope: tools know better than their
/// schemas.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,missing_required_header,allow_header_conformance";
/// Operations that take long, go to the network, or of which the reference server calls a wrong argument its own error.
const OUT: &str = "countdown|long-running|gzip|research|resource-prompt|everything/resources/content";

#[tokio::test]
async fn a_person_tries_a_tool_in_a_browser() -> Outcome {
    let folder = Folder::of(&json!({"servers": demo()}));
    let gateway = folder.serve().await;
    for (page, operations) in [("/docs", 20), ("/docs/demo", 10)] {
        let ran = browser(&gateway.url(page), "demo-echo", r#"{"text":"from a browser"}"#).await?;
        assert!(ran.well, "{}", ran.stderr);
        let seen: Value = serde_json::from_str(&ran.stdout)?;
        assert_eq!((&seen["status"], &seen["complaints"]), (&json!("200"), &json!([])), "{seen:#}");
        assert_eq!(seen["body"], "\"from a browser\"", "{seen:#}");
        assert!(seen["operations"].as_u64() > Some(operations), "{seen:#}");
        let offered: Value = serde_json::from_str(seen["offered"].as_str().expect("text"))?;
        assert!(offered["text"].is_string(), "an example is filled in: {seen:#}");
        let requests = seen["requests"].as_array().expect("requests");
        let here = |request: &&Value| request.as_str().is_some_and(|url| url.starts_with(gateway.base()));
        let elsewhere: Vec<_> = requests.iter().filter(|request| !here(request)).collect();
        assert!(elsewhere.is_empty() && requests.len() >= 5, "everything comes from the gateway: {seen:#}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_made_of_the_live_document_calls_a_tool() -> Outcome {
    let folder = Folder::of(&json!({"servers": {"everything": command(&server_everything()?)}}));
    let gateway = folder.serve().await;
    let document = client(&gateway).get("/api/openapi.json", &[]).await;
    let file = folder.write("live.json", &document.text());
    let made = folder.path("made");
    std::fs::create_dir(&made)?;
    let words = [&gateway.url("/api"), "everything", "everything_get_sum", r#"{"a":2,"b":40}"#];
    let ran = openapi_client(&file, &made, &words).await?;
    assert!(ran.well, "{}{}", ran.stdout, ran.stderr);
    let answer: Value = serde_json::from_str(&ran.stdout)?;
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["parsed"].as_str().is_some_and(|said| said.contains("42")), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_fuzzer_finds_nothing_that_is_not_described() -> Outcome {
    let mut servers = demo();
    servers["everything"] = command(&server_everything()?);
    let folder = Folder::of(&json!({"servers": servers}));
    let gateway = folder.serve().await;
    let words = ["--seed", "7", "--phases", "coverage,fuzzing", "--checks", CHECKS, "--exclude-path-regex", OUT];
    let ran = schemathesis(&gateway.url("/api/openapi.json"), EXAMPLES, &words).await?;
    assert!(ran.well, "{}\n{}\n{}", ran.stdout, ran.stderr, gateway.stderr());
    Ok(())
}
