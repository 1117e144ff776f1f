//! Documents of other authors' servers, ours and nasty ones, before two validators; and the command that prints them.

use janua_testkit::peers::{server_everything, server_filesystem, server_time, valid_openapi};
use serde_json::{Value, json};

use crate::scene::{Folder, command, demo, nasty, scripted};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Both versions, and both forms of one.
const KINDS: [(&str, &[&str]); 3] =
    [("json", &["--json"]), ("yaml", &[]), ("3.0.json", &["--openapi", "3.0", "--json"])];

/// Writes the documents of a configuration and has them validated.
async fn validated(settings: &Value) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let folder = Folder::of(settings);
    let (mut files, mut documents) = (Vec::new(), Vec::new());
    for (kind, words) in KINDS {
        let text = folder.dump(words).await.done();
        if words.contains(&"--json") {
            documents.push(serde_json::from_str(&text)?);
        }
        files.push(folder.write(kind, &text));
    }
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let complaints = valid_openapi(&files).await?;
    assert_eq!(complaints, "");
    Ok(documents)
}

#[tokio::test]
async fn other_peoples_servers_are_described_as_two_validators_like_it() -> Outcome {
    let folder = Folder::new();
    let mut servers = demo();
    servers["everything"] = command(&server_everything()?);
    servers["filesystem"] = command(&server_filesystem(&folder.path(""))?);
    servers["time"] = command(&server_time()?);
    for document in validated(&json!({"servers": servers})).await? {
        let paths = document["paths"].as_object().expect("paths");
        for path in ["/everything/echo", "/filesystem/directory_tree", "/time/get_current_time", "/demo/echo"] {
            let post = &paths[path]["post"];
            assert_eq!(post["operationId"], path[1..].replace('/', "-"), "{post:#}");
            assert!(post["requestBody"]["content"]["application/json"]["example"].is_object(), "{post:#}");
        }
        assert_eq!(document.get("x-janua-unavailable"), None);
        let names: Vec<_> = document["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).collect();
        assert_eq!(names, ["demo", "everything", "filesystem", "simple-tools-server", "time"]);
    }
    Ok(())
}

#[tokio::test]
async fn nasty_tools_are_described_as_two_validators_like_it() -> Outcome {
    let (_server, entry) = scripted(&nasty()).await;
    for document in validated(&json!({"servers": {"n": entry}})).await? {
        let post = |path: &str| {
            let post = &document["paths"][format!("/n/{path}")]["post"];
            assert!(post.is_object(), "no {path} in {:?}", document["paths"].as_object().map(|paths| paths.keys()));
            post
        };
        assert_eq!(post("with%2Fslash")["x-mcp-tool"], "with/slash");
        assert_eq!(post("with%20blanks")["operationId"], "n-with_blanks");
        assert_eq!(post("with_slash")["operationId"], "n-with_slash");
        assert_eq!(post("w%C3%B6rld%20%F0%9F%A6%80%20%7Bx%7D%3F%23%25")["x-mcp-tool"], "wörld 🦀 {x}?#%");
        let schema = |path: &str| &post(path)["requestBody"]["content"]["application/json"]["schema"];
        for broken in ["nowhere", "elsewhere", "circle", "number", "wrong"] {
            assert!(schema(broken)["x-mcp-schema-error"].is_string(), "{broken}: {:#}", schema(broken));
        }
        for fine in ["tree", "old", "all", "bare", "told", "with%20blanks"] {
            assert_eq!(schema(fine).get("x-mcp-schema-error"), None, "{fine}: {:#}", schema(fine));
        }
        let ids = document["paths"]
            .as_object()
            .expect("paths")
            .values()
            .flat_map(|item| item.as_object().expect("an item").values());
        let ids: Vec<_> = ids.map(|operation| operation["operationId"].as_str().expect("an id")).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_command_takes_a_name_a_version_and_an_address() {
    let folder = Folder::of(&json!({
        "port": 4711,
        "servers": demo(),
        "views": {"few": {"servers": ["demo"], "prefix": "always", "tools": {"allow": ["demo__echo"]}}},
    }));
    let document: Value = serde_json::from_str(&folder.dump(&["--json", "demo"]).await.done()).expect("JSON");
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&json!("3.1.0"), &json!("http://127.0.0.1:4711/api"))
    );
    assert!(document["paths"]["/demo/echo"].is_object());
    assert!(!document.to_string().contains("simple-tools-server"), "what was not asked for is not there");

    let words = ["few", "--openapi", "3.0", "--json", "--server-url", "https://tools.example/x/"];
    let document: Value = serde_json::from_str(&folder.dump(&words).await.done()).expect("JSON");
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&json!("3.0.3"), &json!("https://tools.example/x/api"))
    );
    let tools =
        document["paths"].as_object().expect("paths").values().filter_map(|item| item["post"]["x-mcp-tool"].as_str());
    assert_eq!(tools.collect::<Vec<_>>(), ["demo__echo"], "a view shows what it allows, under its own names");

    let ended = folder.dump(&["nobody"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("nobody") && ended.stderr.contains("few"), "it says what there is: {}", ended.stderr);
    let ended = folder.dump(&["--openapi", "2.0"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("3.1 and 3.0"), "{}", ended.stderr);
}
