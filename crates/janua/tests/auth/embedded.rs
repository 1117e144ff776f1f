//! Authentication in a program of one's own: of a proxy, and of routes that are nested.

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use janua::config::{AuthSettings, Credential, Hashed, Server, ServerCommand, ServerSettings, Settings};
use janua::proxy::{self, Options};
use janua::serve::App;
use janua::user::{Principal, Visitor};
use janua_testkit::client::Client;
use janua_testkit::gateway::program;

use crate::scene::{ALICES_TOKEN, MALLORY, SOON, VERSION};

fn auth() -> AuthSettings {
    let secret = |text: &str| Hashed::written(text).expect("a secret");
    AuthSettings {
        basic: vec![Credential::new("mallory", secret("elsewhere"))],
        bearer: vec![Credential::new("alice", secret("looking-glass"))],
        open: Vec::new(),
    }
}

fn probe() -> ServerCommand {
    ServerCommand::new([program("probe").display().to_string(), "--full".to_owned()]).expect("a command")
}

async fn is_guarded(base: &str, prefix: &str) {
    let client = |credentials: &str| {
        Client::new(base).deadline(SOON).endpoint(&format!("{prefix}/mcp")).header("authorization", credentials)
    };
    let stranger = Client::new(base).deadline(SOON);
    for path in ["/mcp", "/sse", "/health", "/livez"] {
        assert_eq!(stranger.get(&format!("{prefix}{path}"), &[]).await.status, 401, "{path}");
    }
    let mut session = client(ALICES_TOKEN).initialize(VERSION, "{}").await;
    assert!(session.call("echo", r#"{"text":"in"}"#).await.raw().contains("in"));
    session.client = client(MALLORY);
    assert_eq!(session.request("ping", "").await.status, 404);
}

async fn nested(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().nest("/inner", routes);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test]
async fn of_a_proxy() {
    let mut options = Options::new(Server::Command(probe())).port(0);
    options.auth = Some(auth());
    let proxy = proxy::start(options.clone()).await.expect("it starts");
    is_guarded(&format!("http://{}", proxy.address()), "").await;
    is_guarded(&nested(proxy::router(options)).await, "/inner").await;
    proxy.stop().await;
}

#[tokio::test]
async fn of_a_gateway_whose_routes_are_nested() {
    let mut settings = Settings { auth: Some(auth()), ..Settings::default() };
    settings.servers.insert("probe".to_owned(), ServerSettings::new(Server::Command(probe())));
    let app = App::builder().settings(settings.clone()).build();
    let base = nested(app.router()).await;
    is_guarded(&base, "/inner").await;
    settings.auth = None;
    app.apply(&settings);
    assert_eq!(Client::new(&base).get("/inner/health", &[]).await.status, 200);
    settings.auth = Some(auth());
    app.apply(&settings);
    assert_eq!(Client::new(&base).get("/inner/health", &[]).await.status, 401);
    app.stop().await;
}

#[test]
fn credentials_are_shown_without_what_is_secret() {
    let shown = format!("{:?}", auth());
    assert!(shown.contains("mallory") && !shown.contains("elsewhere"), "{shown}");
    assert!(!shown.contains("82b7") && !shown.to_lowercase().contains("secret: "), "{shown}");
}

#[tokio::test]
async fn of_a_program_that_knows_its_users_already() {
    let routes = proxy::router(Options::new(Server::Command(probe())));
    let routes = routes.layer(axum::middleware::from_fn(|mut request: Request, next: Next| {
        let name = request.headers().get("x-name").and_then(|name| name.to_str().ok()).unwrap_or("nobody");
        let visitor = Visitor::of(Principal::new(name));
        request.extensions_mut().insert(visitor);
        next.run(request)
    }));
    let base = nested(routes).await;
    let client = |name: &str| Client::new(&base).deadline(SOON).endpoint("/inner/mcp").header("x-name", name);
    let mut session = client("alice").initialize(VERSION, "{}").await;
    assert_eq!(session.request("ping", "").await.status, 200);
    session.client = client("mallory");
    assert_eq!(session.request("ping", "").await.status, 404);
    session.client = client("alice");
    assert_eq!(session.delete().await.status, 204);
}
