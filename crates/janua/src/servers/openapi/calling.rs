//! From a call's arguments to the request: the address, the headers, the body.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE};
use http::{HeaderName, HeaderValue};
use janua_wire::raw;
use serde_json::Value;
use url::Url;

use super::Api;
use super::operation::{Argument, Operation, Piece};
use super::percent;
use super::slots::Place;
use super::style::Pair;
use crate::servers::http_client::Outgoing;
use crate::servers::in_process::{Error, Json};

/// What the arguments of a call come to.
#[derive(Default)]
struct Parts<'a> {
    path: BTreeMap<&'a str, String>,
    query: Vec<Pair>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<String>,
    members: Vec<(&'a str, &'a str)>,
    whole: Option<&'a str>,
}

/// The request that a call is.
pub(super) fn request(api: &Api, operation: &Operation, arguments: &Json) -> Result<Outgoing, Error> {
    let text = arguments.as_str();
    let values: Value = serde_json::from_str(text).map_err(|why| Error::invalid(why.to_string()))?;
    // What is checked must be what is sent.
    let given = raw::members(text.as_bytes(), raw::whole(text.as_bytes())).unwrap_or_default();
    if values.as_object().is_none_or(|values| values.len() != given.len()) {
        return Err(Error::invalid("an argument is there twice"));
    }
    operation.check(&values).map_err(Error::tool)?;
    let mut parts = Parts::default();
    for argument in &operation.arguments {
        let Some(value) = values.get(&argument.given) else { continue };
        let raw = raw::peek(text.as_bytes(), &argument.given).and_then(|raw| std::str::from_utf8(raw).ok());
        let placed = parts.place(api, operation, argument, value, raw.unwrap_or("null"));
        placed.map_err(|why| Error::tool(format!("the argument {:?} {why}", argument.given)))?;
    }
    let url = address(api, operation, &parts)?;
    let mut outgoing = Outgoing::bare(operation.method.clone(), url);
    if let Some(accept) = operation.accept.clone().filter(|_| !api.has_header(&ACCEPT)) {
        outgoing = outgoing.header(ACCEPT, accept);
    }
    let cookies = std::mem::take(&mut parts.cookies);
    if !cookies.is_empty() {
        outgoing = outgoing.header(COOKIE, api.with_cookies(&cookies)?);
    }
    for (name, value) in std::mem::take(&mut parts.headers) {
        outgoing = outgoing.header(name, value);
    }
    if let Some((media, bytes)) = body(operation, &parts)? {
        let media = HeaderValue::try_from(media).map_err(|_| Error::internal("the body's media type is no header"))?;
        outgoing = outgoing.carrying(bytes);
        if !api.has_header(&CONTENT_TYPE) || operation.body.as_ref().is_some_and(super::body::Made::is_parts) {
            outgoing = outgoing.header(CONTENT_TYPE, media);
        }
    }
    Ok(outgoing)
}

impl<'a> Parts<'a> {
    /// Puts an argument where it goes. The error says what is wrong with it.
    fn place(
        &mut self,
        api: &Api,
        operation: &Operation,
        argument: &'a Argument,
        value: &Value,
        raw: &'a str,
    ) -> Result<(), String> {
        let Argument { name, place, .. } = argument;
        // A parameter without a value is as good as none; a property may well be null.
        let is_parameter = !matches!(place, Place::Property | Place::Body);
        if is_parameter && value.is_null() && !matches!(place, Place::Path(_)) {
            return Ok(());
        }
        match place {
            Place::Path(style) => {
                self.path.insert(name, style.in_path(name, value)?);
            }
            Place::Query(style) => {
                let pairs = style.in_query(name, value)?;
                for (key, _) in &pairs {
                    own(api, operation, name, &percent::decoded(key))?;
                }
                self.query.extend(pairs);
            }
            Place::Header(style) => {
                let header = HeaderName::try_from(name.as_str()).map_err(|_| "has a name that no header can have")?;
                let value = HeaderValue::try_from(style.in_header(value)?).map_err(|_| "cannot be sent as a header")?;
                self.headers.push((header, value));
            }
            Place::Cookie(style) => {
                self.cookies.push(format!("{}={}", percent::encoded(name), style.in_cookie(value)?));
            }
            Place::Property => self.members.push((name, raw)),
            Place::Body => self.whole = Some(raw),
        }
        Ok(())
    }
}

/// Makes sure that the members of an object which become parameters are none that mean something else.
fn own(api: &Api, operation: &Operation, name: &str, key: &str) -> Result<(), String> {
    let others =
        operation.arguments.iter().filter(|other| matches!(other.place, Place::Query(_)) && other.name != name);
    let is_taken = api.query.iter().any(|(fixed, _)| fixed == key) || others.into_iter().any(|other| other.name == key);
    if key != name && is_taken {
        Err(format!("must not have the member {key:?}: it is another parameter"))
    } else {
        Ok(())
    }
}

fn address(api: &Api, operation: &Operation, parts: &Parts<'_>) -> Result<Url, Error> {
    let mut path = operation.prefix.clone();
    for segment in &operation.segments {
        let mut text = String::new();
        for piece in segment {
            match piece {
                Piece::Fixed(fixed) => text.push_str(fixed),
                Piece::Value(name) => {
                    let value = parts.path.get(name.as_str());
                    text.push_str(value.ok_or_else(|| Error::tool(format!("the argument {name:?} is missing")))?);
                }
            }
        }
        if segment.iter().any(|piece| matches!(piece, Piece::Value(_)))
            && let Some(why) = percent::astray(&text)
        {
            return Err(Error::tool(format!("the path {why}")));
        }
        path.push('/');
        path.push_str(&text);
    }
    let fixed = api.query.iter().map(|(name, value)| (percent::encoded(name), percent::encoded(value)));
    let pairs = parts.query.iter().cloned().chain(fixed);
    let query: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
    let mut url = api.base.clone();
    url.set_path(&path);
    url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    if url.origin() == api.base.origin() { Ok(url) } else { Err(Error::internal("the address leads elsewhere")) }
}

fn body(operation: &Operation, parts: &Parts<'_>) -> Result<Option<(String, Bytes)>, Error> {
    let Some(made) = &operation.body else { return Ok(None) };
    let body = match parts.whole {
        Some(raw) => made.of_whole(raw).map_err(|why| format!("the body {why}")),
        None if parts.members.is_empty() && !made.is_required => return Ok(None),
        None => made.of_members(&parts.members),
    };
    body.map(Some).map_err(Error::tool)
}
