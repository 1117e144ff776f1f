//! Which addresses a server may have that no operator vouches for: public ones, checked when they are connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// IPv4 blocks that lead to nobody in public, with the length of their prefix (RFC 6890 and its registry).
const CLOSED_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // One cloud's metadata have an address of the public space.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // Relays from 6to4.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The block of IPv6 that is given out at all (RFC 4291): loopback, local, mapped, translated and multicast
/// addresses lie outside.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks in it that lead to nobody in public, or to an IPv4 address hidden in them.
const CLOSED_V6: [(Ipv6Addr, u32); 4] = [
    // Teredo, benchmarks, ORCHID and more.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The address is not one that may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotPublic;

/// Looks names up.
pub(crate) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// A resolver that gives public addresses only. What it gives is what is connected to: nobody asks again in between.
pub(crate) struct PublicOnly(Lookup);

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's address is not a public one, and this server may have no other")
    }
}

impl std::error::Error for NotPublic {}

/// Whether the address belongs to the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !CLOSED_V4.iter().any(|block| lies_in_v4(address, *block)),
        IpAddr::V6(address) => {
            lies_in_v6(address, GLOBAL_V6) && !CLOSED_V6.iter().any(|block| lies_in_v6(address, *block))
        }
    }
}

fn lies_in_v4(address: Ipv4Addr, (block, prefix): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ block.to_bits()).leading_zeros() >= prefix
}

fn lies_in_v6(address: Ipv6Addr, (block, prefix): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ block.to_bits()).leading_zeros() >= prefix
}

/// Refuses a URL whose host is an address that is not public. A name is looked at when it is looked up.
pub(crate) fn check(url: &Url) -> Result<(), NotPublic> {
    let literal: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    if literal.is_none_or(is_public) { Ok(()) } else { Err(NotPublic) }
}

impl PublicOnly {
    /// A resolver that asks the system.
    pub(crate) fn of_system() -> Self {
        PublicOnly::asking(Arc::new(|name| {
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed()
        }))
    }

    pub(crate) fn asking(lookup: Lookup) -> Self {
        PublicOnly(lookup)
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.0)(name.as_str().to_owned());
        let public = found.err_into().and_then(async |mut found: Vec<SocketAddr>| {
            found.retain(|address| is_public(address.ip()));
            if found.is_empty() { Err(NotPublic.into()) } else { Ok(Box::new(found.into_iter()) as Addrs) }
        });
        Box::pin(public)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Spellings of addresses that are not public, as hosts of a URL.
    const CLOSED: [&str; 64] = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0x7F.0.0.1",
        "0177.0.0.1",
        "0177.1",
        "017700000001",
        "127.0.0.1.",
        "127.0.0x1",
        "%31%32%37.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "0x0",
        "10.0.0.1",
        "10.255.255.255",
        "167772161",
        "012.0.0.1",
        "0xa.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "168.63.129.16",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.0.1",
        "0xc0a80001",
        "192.168.257",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "4294967295",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
    ];

    #[test]
    fn no_spelling_of_a_closed_address_passes() {
        for host in CLOSED {
            let url = Url::parse(&format!("http://{host}:8080/mcp")).unwrap_or_else(|error| panic!("{host}: {error}"));
            assert_eq!(check(&url), Err(NotPublic), "{host} is {:?}", url.host());
        }
        // An address with a zone is no URL at all, nor is one with numbers that are too large.
        for host in ["[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%lo]", "256.0.0.1", "127.0.0.0x100", "0x100000000"] {
            Url::parse(&format!("http://{host}/")).expect_err(host);
        }
    }

    #[test]
    fn public_addresses_pass() {
        let open = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "[2606:4700:4700::1111]",
            "[2001:200::1]",
            "[2003::1]",
            "[3ffe::1]",
            "[2a00:1450:4001::1]",
        ];
        for host in open {
            let url = Url::parse(&format!("http://{host}/")).expect(host);
            assert_eq!(check(&url), Ok(()), "{host}");
        }
        assert_eq!(check(&Url::parse("http://mcp.example/").expect("a URL")), Ok(()));
    }

    async fn resolved(resolver: &PublicOnly) -> Result<Vec<String>, String> {
        let name = "mcp.example".parse().expect("a name");
        let found = resolver.resolve(name).await.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip().to_string()).collect())
    }

    #[tokio::test]
    async fn a_name_leads_to_public_addresses_only_whenever_it_is_asked() {
        let turned = Arc::new(AtomicBool::new(false));
        let turn = turned.clone();
        let resolver = PublicOnly::asking(Arc::new(move |_| {
            let given: &[&str] =
                if turn.load(Ordering::Relaxed) { &["127.0.0.1:0", "[::1]:0"] } else { &["8.8.8.8:0", "10.0.0.1:0"] };
            let given = given.iter().map(|address| address.parse().expect("an address")).collect();
            async move { Ok(given) }.boxed()
        }));
        assert_eq!(resolved(&resolver).await, Ok(vec!["8.8.8.8".to_owned()]));
        turned.store(true, Ordering::Relaxed);
        assert_eq!(resolved(&resolver).await, Err(NotPublic.to_string()));
    }

    #[tokio::test]
    async fn localhost_is_not_public() {
        let name = "localhost".parse().expect("a name");
        let refused = PublicOnly::of_system().resolve(name).await.err().map(|error| error.to_string());
        assert_eq!(refused, Some(NotPublic.to_string()));
    }
}
