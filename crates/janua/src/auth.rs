//! Who is calling: the schemes by which requests show it, in order, and what became of those who were shown out.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, HeaderValue};
use http::request::Parts;
use tokio_util::sync::CancellationToken;

use crate::config::{AuthSettings, Credential, OpenRoute};
use crate::user::{Principal, Rights};

mod basic;
mod bearer;

pub(crate) use bearer::Bearer;

/// One way to show who is calling.
pub(crate) trait Scheme: Send + Sync {
    /// Its name, as requests and challenges write it.
    fn name(&self) -> &'static str;

    /// What a refused client is told to do (RFC 9110, 11.6.1).
    fn challenge(&self) -> HeaderValue;

    /// Who has sent a request with this head.
    fn check(&self, parts: &Parts) -> Verdict;
}

/// What a scheme says of a request.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It is shown in another way, or not at all.
    NotMine,
    /// Who it is.
    Ok(Principal),
    /// It is shown in this way, and wrongly. The reason is for the log.
    Refused(&'static str),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not say who has sent it.
    Silent,
    /// What it says is wrong. The reason is for the log.
    Wrong(&'static str),
}

/// The schemes of a gateway, in order. The first that a request is meant for decides.
pub(crate) struct Auth {
    schemes: Vec<Box<dyn Scheme>>,
    settings: AuthSettings,
    /// Of every principal: is cancelled when one of its credentials is taken away.
    leases: BTreeMap<String, CancellationToken>,
}

impl Auth {
    /// Those of `settings`, in the stead of `before`. Principals of whom no credential was taken away or changed keep
    /// their lease; the lease of the others ends with [`Auth::end`].
    pub(crate) fn new(settings: &AuthSettings, before: Option<&Auth>) -> Self {
        let lease = |name: &str| before.and_then(|before| before.keeps(name, settings)).unwrap_or_default();
        let all = settings.basic.iter().chain(&settings.bearer);
        let leases: BTreeMap<String, _> = all.map(|one| (one.principal.clone(), lease(&one.principal))).collect();
        let known = |credentials: &[Credential]| -> Vec<(Credential, Principal)> {
            let principal = |one: &Credential| {
                let rights = Rights { admin: one.admin, impersonate: one.impersonate };
                Principal::new(one.principal.as_str()).with(rights, leases.get(&one.principal).cloned())
            };
            credentials.iter().map(|one| (one.clone(), principal(one))).collect()
        };
        let mut schemes: Vec<Box<dyn Scheme>> = Vec::new();
        if !settings.basic.is_empty() {
            schemes.push(Box::new(basic::Basic::new(known(&settings.basic))));
        }
        if !settings.bearer.is_empty() {
            schemes.push(Box::new(Bearer::new(known(&settings.bearer))));
        }
        Auth { schemes, settings: settings.clone(), leases }
    }

    /// The lease of a principal, if all that it could show is still good in `settings`.
    fn keeps(&self, name: &str, settings: &AuthSettings) -> Option<CancellationToken> {
        let stays = |before: &[Credential], now: &[Credential]| {
            before.iter().filter(|one| one.principal == name).all(|one| now.contains(one))
        };
        let all = stays(&self.settings.basic, &settings.basic) && stays(&self.settings.bearer, &settings.bearer);
        self.leases.get(name).filter(|_| all).cloned()
    }

    /// Ends the leases of all who are not the same in `after`, which is in its stead now.
    pub(crate) fn end(&self, after: Option<&Auth>) {
        for (name, lease) in &self.leases {
            if after.is_none_or(|after| self.keeps(name, &after.settings).is_none()) {
                lease.cancel();
            }
        }
    }

    /// Who has sent a request with this head.
    pub(crate) fn check(&self, parts: &Parts) -> Result<Principal, Refusal> {
        match parts.headers.get_all(AUTHORIZATION).iter().count() {
            0 => return Err(Refusal::Silent),
            1 => {}
            _ => return Err(Refusal::Wrong("several Authorization headers")),
        }
        for scheme in &self.schemes {
            match scheme.check(parts) {
                Verdict::NotMine => {}
                Verdict::Ok(principal) => return Ok(principal),
                Verdict::Refused(why) => return Err(Refusal::Wrong(why)),
            }
        }
        Err(Refusal::Wrong("a scheme that is not accepted"))
    }

    /// What refused clients are told.
    pub(crate) fn challenges(&self) -> impl Iterator<Item = HeaderValue> {
        self.schemes.iter().map(|scheme| scheme.challenge())
    }

    /// Whether anybody may ask for that route.
    pub(crate) fn opens(&self, route: OpenRoute) -> bool {
        self.settings.open.contains(&route)
    }
}

/// What follows the name of `scheme` in the header, if it begins with it, in whatever case (RFC 9110, 11.4).
fn shown<'a>(parts: &'a Parts, scheme: &dyn Scheme) -> Option<&'a [u8]> {
    let value = parts.headers.get(AUTHORIZATION)?.as_bytes();
    let (name, rest) = value.split_at_checked(scheme.name().len())?;
    let mine = name.eq_ignore_ascii_case(scheme.name().as_bytes());
    match rest {
        [] if mine => Some(rest),
        [b' ', rest @ ..] if mine => Some(rest),
        _ => None,
    }
}

/// The last of `all` that fits. Every one is tried, whatever has been found, so that time says nothing.
fn sought<T>(all: &[(T, Principal)], fits: impl Fn(&T) -> bool) -> Option<Principal> {
    let found = all.iter().fold(None, |found, (one, principal)| if fits(one) { Some(principal) } else { found });
    found.cloned()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http::Request;
    use janua_wire::base64;

    use super::*;
    use crate::config::Hashed;

    fn auth(before: Option<&Auth>, basic: &[(&str, &str)], bearer: &[(&str, &str)]) -> Auth {
        let all = |list: &[(&str, &str)]| -> Vec<Credential> {
            let secret = |text| Hashed::written(text).expect("a secret");
            list.iter().map(|(name, text)| Credential::new(*name, secret(text))).collect()
        };
        Auth::new(&AuthSettings { basic: all(basic), bearer: all(bearer), open: Vec::new() }, before)
    }

    fn name(auth: &Auth, headers: &[&[u8]]) -> Result<String, Refusal> {
        let mut request = Request::builder();
        for value in headers {
            request = request.header(AUTHORIZATION, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        auth.check(&parts).map(|principal| principal.name().to_owned())
    }

    #[test]
    fn who_is_admitted() {
        let auth = auth(None, &[("admin", "pw"), ("c", "a:b"), ("ä", "ö")], &[("ci", "tok1"), ("ops", "tok2")]);
        let basic = |text: &str| format!("Basic {}", base64::encode(text.as_bytes()));
        for (header, wanted) in [
            (basic("admin:pw"), "admin"),
            (basic("admin:pw").replace("Basic", "bAsIC"), "admin"),
            (basic("c:a:b"), "c"),
            (basic("ä:ö"), "ä"),
            ("Bearer tok1".to_owned(), "ci"),
            ("bearer tok2".to_owned(), "ops"),
        ] {
            assert_eq!(name(&auth, &[header.as_bytes()]).as_deref(), Ok(wanted), "{header}");
        }
        for header in [
            basic("admin:bad"),
            basic("admin:p"),
            basic("c:a"),
            basic("nobody:pw"),
            basic("admin"),
            basic(":pw"),
            basic(""),
            "Basic".to_owned(),
            "Basic !!!".to_owned(),
            format!("Basic {}", base64::encode(b"admin:pw").trim_end_matches('=')),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Bearer  tok1".to_owned(),
            "Bearer tok1 ".to_owned(),
            "Bearer tok".to_owned(),
            "Bearer tok11".to_owned(),
            "Bearertok1".to_owned(),
            "Digest tok1".to_owned(),
            "tok1".to_owned(),
            String::new(),
        ] {
            assert!(matches!(name(&auth, &[header.as_bytes()]), Err(Refusal::Wrong(_))), "{header}");
        }
        assert!(matches!(name(&auth, &[b"Bearer tok1", b"Bearer tok1"]), Err(Refusal::Wrong(_))));
        assert!(matches!(name(&auth, &[b"Bearer \xff\xfe"]), Err(Refusal::Wrong(_))));
        assert_eq!(name(&auth, &[]), Err(Refusal::Silent));
    }

    #[test]
    fn every_credential_is_tried_whatever_has_been_found() {
        for at in 0..4 {
            let all: Vec<(usize, Principal)> = (0..4).map(|one| (one, Principal::new(one.to_string()))).collect();
            let tried = Cell::new(0);
            let found = sought(&all, |one| {
                tried.set(tried.get() + 1);
                *one == at
            });
            assert_eq!((found.map(|found| found.name().to_owned()), tried.get()), (Some(at.to_string()), 4));
        }
    }

    #[test]
    fn only_schemes_with_credentials_challenge() {
        let challenges =
            |auth: &Auth| auth.challenges().map(|value| value.to_str().expect("text").to_owned()).collect::<Vec<_>>();
        assert_eq!(challenges(&auth(None, &[("a", "b")], &[("c", "d")])), ["Basic realm=\"MCP Gateway\"", "Bearer"]);
        assert_eq!(challenges(&auth(None, &[], &[("c", "d")])), ["Bearer"]);
    }

    #[test]
    fn a_lease_ends_with_any_credential_of_its_principal() {
        let before = auth(None, &[("stays", "a"), ("changes", "b")], &[("stays", "c"), ("goes", "d"), ("loses", "e")]);
        let after = auth(Some(&before), &[("stays", "a"), ("changes", "x"), ("new", "z")], &[("stays", "c")]);
        before.end(Some(&after));
        let ended = |name: &str| before.leases[name].is_cancelled();
        assert_eq!(["stays", "changes", "goes", "loses"].map(ended), [false, true, true, true]);
        let works = |name: &str| !after.leases[name].is_cancelled();
        assert_eq!(["stays", "changes", "new"].map(works), [true; 3]);
        after.end(None);
        assert!(after.leases.values().all(CancellationToken::is_cancelled) && ended("stays"));
    }
}
