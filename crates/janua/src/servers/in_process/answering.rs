//! From a request to the method of a server in this process that answers it, and from its errors to an answer.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::error::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND};
use janua_wire::message::{Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::translate::errors::RESOURCE_NOT_FOUND;

use super::shapes::{Offers, completion, list};
use super::{Argued, Completing, Error, Exchange, Json, Object, Server, ToolResult};

/// A server as a value of its own.
pub(super) trait Serve: Send + Sync {
    /// Answers a request.
    fn answer(
        self: Arc<Self>,
        request: Request,
        offers: Offers,
        exchange: Exchange,
    ) -> BoxFuture<'static, Result<Json, Error>>;

    /// Hears a notification.
    fn hear(&self, method: &str, params: Json);
}

impl<S: Server> Serve for S {
    fn answer(
        self: Arc<Self>,
        request: Request,
        offers: Offers,
        exchange: Exchange,
    ) -> BoxFuture<'static, Result<Json, Error>> {
        async move { answer(&*self, &request, offers, &exchange).await }.boxed()
    }

    fn hear(&self, method: &str, params: Json) {
        self.notified(method, params);
    }
}

async fn answer<S: Server>(server: &S, request: &Request, offers: Offers, exchange: &Exchange) -> Result<Json, Error> {
    let method = request.method();
    if !offered(method, offers) {
        return Err(Error::no_method(&request.name()));
    }
    if request.param("cursor").is_some_and(|cursor| cursor != b"null") {
        return Err(Error::invalid("the list has one page: there is no such cursor"));
    }
    let text = |key| {
        let found = request.param(key).and_then(raw::string);
        found.ok_or_else(|| Error::invalid(format!("{key:?} must be a string")))
    };
    Ok(match method {
        Method::ToolsList => list("tools", server.tools(exchange).await?),
        Method::ToolsCall => match server.call(&text("name")?, arguments(request)?, exchange).await {
            Err(Error::Tool(why)) => ToolResult::failed(&why).into(),
            result => result?.into(),
        },
        Method::PromptsList => list("prompts", server.prompts(exchange).await?),
        Method::PromptsGet => server.prompt(&text("name")?, arguments(request)?, exchange).await?.into(),
        Method::ResourcesList => list("resources", server.resources(exchange).await?),
        Method::TemplatesList => list("resourceTemplates", server.templates(exchange).await?),
        Method::ResourcesRead => list("contents", server.read(&text("uri")?, exchange).await?),
        Method::Subscribe => {
            server.watch(&text("uri")?, exchange).await?;
            Object::new().into()
        }
        Method::Complete => completion(&server.complete(completing(request)?, exchange).await?),
        _ => server.other(&request.name(), params(request), exchange).await?,
    })
}

/// Whether the server has said that it has what a method is about.
fn offered(method: Method, offers: Offers) -> bool {
    match method {
        Method::ToolsList | Method::ToolsCall => offers.tools,
        Method::PromptsList | Method::PromptsGet => offers.prompts,
        Method::ResourcesList | Method::TemplatesList | Method::ResourcesRead => offers.resources,
        Method::Subscribe | Method::Unsubscribe => offers.subscriptions,
        Method::Complete => offers.completions,
        Method::SetLevel => offers.logging,
        _ => true,
    }
}

fn params(request: &Request) -> Json {
    Json::raw(bytes::Bytes::copy_from_slice(request.params()))
}

fn arguments(request: &Request) -> Result<Json, Error> {
    match request.param("arguments") {
        None | Some(b"null") => Ok(Object::new().into()),
        Some(object) if object.starts_with(b"{") => Ok(Json::raw(request.text().slice_ref(object))),
        Some(_) => Err(Error::invalid("\"arguments\" must be an object")),
    }
}

fn completing(request: &Request) -> Result<Completing, Error> {
    let params = params(request);
    let (of, argument) = (params.get("ref"), params.get("argument"));
    let (Some(of), Some(argument)) = (of, argument) else {
        return Err(Error::invalid("\"ref\" and \"argument\" must be objects"));
    };
    let of = match of.string("type")?.as_str() {
        "ref/prompt" => Argued::Prompt(of.string("name")?),
        "ref/resource" => Argued::Template(of.string("uri")?),
        other => return Err(Error::invalid(format!("nothing of type {other:?} has arguments to complete"))),
    };
    let others = params.get("context").and_then(|context| context.get("arguments"));
    let others = others.unwrap_or_else(|| Object::new().into());
    Ok(Completing { of, argument: argument.string("name")?, value: argument.string("value")?, others })
}

/// The answer that says how a request ended.
pub(super) fn response(result: Result<Json, Error>) -> Response {
    match result {
        Ok(result) if result.as_str().trim_start().starts_with('{') => {
            Response::result(result.as_str()).unwrap_or_else(|_| broken("the server's result is no JSON"))
        }
        Ok(_) => broken("the server's result is no object"),
        Err(Error::Tool(why)) => broken(&why),
        Err(Error::Rpc { code, message, data }) => {
            let data = data.filter(|data| janua_wire::json::check(data.as_str().as_bytes()).is_ok());
            Response::error(code, &message, data.as_ref().map(Json::as_str))
        }
    }
}

/// The answer that says that the server itself is at fault.
pub(super) fn broken(why: &str) -> Response {
    Response::error(INTERNAL_ERROR, why, None)
}

impl Error {
    /// A JSON-RPC error without data.
    pub fn rpc(code: i32, message: impl Into<String>) -> Self {
        Error::Rpc { code, message: message.into(), data: None }
    }

    /// A failure that the model shall read.
    pub fn tool(why: impl Into<String>) -> Self {
        Error::Tool(why.into())
    }

    /// The request's parameters are wrong (-32602).
    pub fn invalid(why: impl Into<String>) -> Self {
        Error::rpc(INVALID_PARAMS, why)
    }

    /// Something broke on the way (-32603).
    pub fn internal(why: impl Into<String>) -> Self {
        Error::rpc(INTERNAL_ERROR, why)
    }

    /// There is no such method (-32601).
    pub fn no_method(method: &str) -> Self {
        Error::rpc(METHOD_NOT_FOUND, format!("the server has no method {method}"))
    }

    /// There is no such tool (-32602).
    pub fn no_tool(name: &str) -> Self {
        Error::invalid(format!("the server has no tool {name}"))
    }

    /// There is no such prompt (-32602).
    pub fn no_prompt(name: &str) -> Self {
        Error::invalid(format!("the server has no prompt {name}"))
    }

    /// There is no such resource (-32002, or -32602 for clients of 2026-07-28).
    pub fn no_resource(uri: &str) -> Self {
        let code = i32::try_from(RESOURCE_NOT_FOUND).unwrap_or(INVALID_PARAMS);
        let data = Some(Object::new().put("uri", uri).into());
        Error::Rpc { code, message: "the server has no such resource".to_owned(), data }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Tool(why) => f.write_str(why),
            Error::Rpc { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
