//! What a key of the configuration may hold: one description for reading, schema and reference.

use std::net::{IpAddr, SocketAddr};

use super::measure::{count, duration, size};

/// A key of a section.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Other names it is known by.
    pub(super) also: &'static [&'static str],
    pub(super) kind: Kind,
    /// Its value if it is absent, as one would write it; empty if there is none.
    pub(super) default: &'static str,
    /// What it means, in a sentence.
    pub(super) meaning: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text; a number is taken as it is written.
    Text,
    /// The path of a file or folder; a relative one is meant from the file's own folder.
    Path,
    /// A path, or `false`.
    PathOrOff,
    Switch,
    Count,
    Port,
    Time,
    Size,
    /// An IP address, or `localhost`.
    Host,
    /// An address with a port, or a port on loopback.
    Address,
    /// The same, or `false`.
    AddressOrOff,
    /// An absolute address of one of these schemes.
    Url(&'static [&'static str]),
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// Texts under names that the file chooses.
    TextMap,
    /// A group of these keys.
    Section(fn() -> Vec<&'static Field>),
    /// Such groups under names that the file chooses.
    Named(fn() -> Vec<&'static Field>),
    /// A list of such groups.
    Groups(fn() -> Vec<&'static Field>),
    /// A list of texts and such groups.
    TextsOrGroups(fn() -> Vec<&'static Field>),
}

impl Field {
    pub(super) const fn new(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Self {
        Field { name, also: &[], kind, default, meaning }
    }

    /// The same, under other names, too.
    pub(super) const fn or(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }

    /// Whether this is the key of that name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }
}

impl Kind {
    /// What a value of this kind looks like, for messages and the reference.
    pub(super) fn shape(self) -> String {
        match self {
            Kind::Text => "a text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::PathOrOff => "a path or false".to_owned(),
            Kind::Switch => "true or false".to_owned(),
            Kind::Count => "a whole number".to_owned(),
            Kind::Port => "a port (0 to 65535)".to_owned(),
            Kind::Time => "a time such as 90s, 5m or 1h30m".to_owned(),
            Kind::Size => "a size such as 64k or 4MiB".to_owned(),
            Kind::Host => "an IP address or localhost".to_owned(),
            Kind::Address => "an address such as 127.0.0.1:3000".to_owned(),
            Kind::AddressOrOff => "an address such as 127.0.0.1:9091, or false".to_owned(),
            Kind::Url(schemes) => format!("a URL ({})", schemes.join(", ")),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Texts => "a list of texts".to_owned(),
            Kind::TextMap => "texts by name".to_owned(),
            Kind::Section(_) => "a group of keys".to_owned(),
            Kind::Named(_) => "groups of keys by name".to_owned(),
            Kind::Groups(_) => "a list of groups of keys".to_owned(),
            Kind::TextsOrGroups(_) => "a list of texts or groups of keys".to_owned(),
        }
    }

    /// What is wrong with a text as a value of this kind. The words never repeat the text.
    pub(super) fn refuses(self, text: &str) -> Option<String> {
        let verdict = match self {
            Kind::Count => count(text).map(drop).ok_or_else(String::new),
            Kind::Time => duration(text).map(drop),
            Kind::Size => size(text).map(drop),
            Kind::Port => text.parse::<u16>().map(drop).map_err(|_| String::new()),
            Kind::Switch => switch(text).map(drop).ok_or_else(String::new),
            Kind::Host => host(text).map(drop).ok_or_else(String::new),
            Kind::AddressOrOff if switch(text).is_some() => Ok(()),
            Kind::Address | Kind::AddressOrOff => address(text).map(drop).ok_or_else(String::new),
            Kind::Choice(words) => {
                if words.contains(&text) {
                    Ok(())
                } else {
                    Err(String::new())
                }
            }
            Kind::Url(schemes) => match url::Url::parse(text) {
                Ok(url) if !schemes.contains(&url.scheme()) => Err("not with this scheme".to_owned()),
                Ok(url) if url.host_str().is_none_or(str::is_empty) => Err("the host is missing".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            Kind::Path if text.is_empty() => Err("it is empty".to_owned()),
            _ => Ok(()),
        };
        let why = verdict.err()?;
        let must = format!("must be {}", self.shape());
        Some(if why.is_empty() { must } else { format!("{must}: {why}") })
    }
}

/// Reads `true` or `false`.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Reads an IP address or `localhost`.
pub(super) fn host(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.eq_ignore_ascii_case("localhost") { Some(IpAddr::from([127, 0, 0, 1])) } else { bare.parse().ok() }
}

/// Reads an address with a port, or a port on loopback.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    let (name, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    let port = port.parse().ok()?;
    let open = name.contains(':') && !name.starts_with('[');
    let name = if name.is_empty() { "localhost" } else { name };
    if open { None } else { Some(SocketAddr::new(host(name)?, port)) }
}
