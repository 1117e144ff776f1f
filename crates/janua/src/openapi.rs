//! The OpenAPI document of what is served as plain HTTP: from lists of tools, prompts and resources to a document.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::config::{RestSessions, Settings};

mod components;
mod examples;
pub(crate) mod mcpo;
mod names;
mod older;
mod operations;
mod schemas;

use names::Ids;
use operations::Operations;

/// The versions of OpenAPI a document can be in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// 3.1.0: schemas are JSON Schema 2020-12, as servers write them.
    #[default]
    V31,
    /// 3.0.3: schemas are put into the dialect of that version, which can say less.
    V30,
}

/// How a caller says which session a call belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// It need not: the header `Janua-Session` is optional, and results come in their plain form.
    #[default]
    Optional,
    /// It must, in the query parameter `sessionId`; the result is MCP's own object.
    Required,
}

/// Ways to authenticate, of which any suffices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schemes {
    /// HTTP Basic (RFC 7617).
    pub basic: bool,
    /// HTTP Bearer (RFC 6750).
    pub bearer: bool,
}

/// What a document says besides what the servers have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The version of OpenAPI.
    pub version: Version,
    /// Where the paths begin, as callers see it: `http://127.0.0.1:3000/api`.
    pub url: String,
    /// How sessions are named.
    pub sessions: Sessions,
    /// Whether MCP's errors are answers with status 200 where results are MCP's own objects.
    pub errors_as_results: bool,
    /// How callers authenticate.
    pub schemes: Schemes,
}

/// What one address below `/api` offers; every text is MCP's own JSON object, as the server sent it.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The server or view; `None` where there is only one server, which has no name.
    pub name: Option<String>,
    /// What the server says it is.
    pub about: Option<String>,
    /// Tools, by the name they are called under.
    pub tools: Vec<(String, bytes::Bytes)>,
    /// Prompts, likewise.
    pub prompts: Vec<(String, bytes::Bytes)>,
    /// Whether there are resources or templates of resources.
    pub resources: bool,
    /// Whether arguments can be completed.
    pub completions: bool,
    /// Servers that are not available now.
    pub unavailable: Vec<String>,
}

/// A finished document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(Value);

/// The members of a document, in the order in which they are written.
const ORDER: [&str; 8] =
    ["openapi", "info", "servers", "security", "tags", "x-janua-unavailable", "paths", "components"];

impl Terms {
    /// What the settings of a gateway say, as far as they do.
    pub fn of(settings: &Settings) -> Terms {
        let schemes = settings
            .auth
            .as_ref()
            .map(|auth| Schemes { basic: !auth.basic.is_empty(), bearer: !auth.bearer.is_empty() });
        let sessions = match settings.rest.sessions {
            RestSessions::Required => Sessions::Required,
            RestSessions::Caller | RestSessions::Ephemeral => Sessions::Optional,
        };
        let errors_as_results = !settings.rest.error_status;
        Terms { schemes: schemes.unwrap_or_default(), sessions, errors_as_results, ..Terms::default() }
    }
}

/// What the document of a server or view is called, or of all servers.
pub fn title(name: Option<&str>) -> String {
    name.map_or_else(|| "MCP Gateway Tools".to_owned(), |name| format!("MCP Gateway Tools: {name}"))
}

impl Document {
    /// The document of these offers: `title` says of what.
    pub fn new(title: &str, offers: &[Offer], terms: &Terms) -> Document {
        let mut operations = Operations::new(terms, Ids::of(offers));
        for offer in offers {
            operations.add(offer);
        }
        operations.add_common(offers.iter().all(|offer| offer.name.is_none()) && !offers.is_empty());
        let (paths, schemas) = operations.finish();
        let mut document = json!({
            "openapi": terms.version.number(),
            "info": {
                "title": title,
                "version": "1.0.0",
                "description": "Tools, prompts and resources of MCP servers, as plain HTTP.",
            },
            "servers": [{"url": terms.url}],
            "tags": offers.iter().filter_map(tag).collect::<Vec<_>>(),
            "paths": paths,
            "components": components::all(terms, schemas),
        });
        let out: BTreeSet<&str> = offers.iter().flat_map(|offer| &offer.unavailable).map(String::as_str).collect();
        if !out.is_empty() {
            document["x-janua-unavailable"] = json!(out);
        }
        if terms.schemes != Schemes::default() {
            document["security"] = components::requirements(terms.schemes);
        }
        if terms.version == Version::V30 {
            older::convert(&mut document);
        }
        Document(document)
    }

    /// As JSON, for people too.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// As YAML that readers of 1.1 and of 1.2 understand alike.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string_with_options(self, serde_saphyr::ser_options! {}).unwrap_or_default()
    }

    /// The document itself.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The servers that are left out of it.
    pub fn unavailable(&self) -> Vec<&str> {
        let names = self.0["x-janua-unavailable"].as_array();
        names.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for key in ORDER {
            if let Some(value) = self.0.get(key) {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

impl Version {
    /// The text of the member `openapi`.
    pub fn number(self) -> &'static str {
        match self {
            Version::V31 => "3.1.0",
            Version::V30 => "3.0.3",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "3.1" | "3.1.0" => Ok(Version::V31),
            "3.0" | "3.0.0" | "3.0.3" => Ok(Version::V30),
            _ => Err(format!("there is no OpenAPI {text} here; there are 3.1 and 3.0")),
        }
    }
}

fn tag(offer: &Offer) -> Option<Value> {
    let mut tag = Map::from_iter([("name".to_owned(), json!(offer.name.as_ref()?))]);
    if let Some(about) = &offer.about {
        tag.insert("description".to_owned(), json!(about));
    }
    Some(Value::Object(tag))
}

#[cfg(test)]
mod tests;
