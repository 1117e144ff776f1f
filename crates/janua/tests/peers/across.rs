//! Clients of five SDKs with servers of four: of the same era, and across the eras.
//!
//! What works between a client and a server of one era works through Janua with one of the other; what is left out
//! of a tour is what servers of that SDK do not do in their era whatever stands before them.

use janua_testkit::peers::{Era, Maker, Sdk, Served, Step, tour};

use crate::scene::{Outcome, Way, all, command, proxy};
use janua_testkit::peers::Transport;

/// One client, one server, and Janua between them.
#[derive(Clone, Copy, Debug)]
struct Cell {
    sdk: Sdk,
    client: Era,
    maker: Maker,
    /// The only era of the server that is used; both, if there is none.
    server: Option<Era>,
    way: Way,
}

impl Cell {
    /// Whether the server is spoken to without a handshake.
    fn is_modern(self) -> bool {
        self.server.unwrap_or(self.client) != Era::Legacy
    }

    /// What the server's own SDK leaves out.
    fn without(self) -> Vec<Step> {
        let mut without = self.maker.lacks(self.is_modern(), self.way.is_remote());
        if self.maker == Maker::Python && !self.is_modern() && self.client != Era::Legacy {
            // It tells of such changes, but says of itself that it does not, and who asks for them asks for none.
            without.push(Step::ListChanged);
        }
        without
    }

    async fn visit(self) -> Outcome {
        // Servers that refuse the handshake are found out; those that could do both have to be told.
        let refuses = self.server == Some(Era::Modern) && self.maker != Maker::FastMcp;
        let words = if refuses { self.maker.modern_command() } else { self.maker.command() }?;
        let options: &[&str] = match self.server {
            Some(Era::Legacy) => &["--protocol", "legacy"],
            Some(_) if !refuses => &["--protocol", "2026-07-28"],
            _ => &[],
        };
        let served = if self.way.is_remote() { Some(Served::catalogue(&words).await?) } else { None };
        let reached = self.way.to(options, words, served).await;
        let toured = tour(self.sdk, reached.transport.clone(), self.client, &self.without()).await;
        toured.map_err(|tripped| format!("{self:?}\n{tripped}").into())
    }
}

/// Every client of `client` with every server, each pair in another of the four ways, beginning with `first`.
fn pairs(client: Era, server: Option<Era>, first: usize) -> Vec<Cell> {
    let able = Sdk::ALL.into_iter().filter(|sdk| client == Era::Legacy || sdk.is_modern());
    let pairs = able.enumerate().flat_map(|(row, sdk)| {
        Maker::ALL.into_iter().enumerate().map(move |(column, maker)| (sdk, maker, row + column))
    });
    pairs.map(|(sdk, maker, place)| Cell { sdk, client, maker, server, way: Way::ALL[(first + place) % 4] }).collect()
}

async fn visit(cells: Vec<Cell>) -> Outcome {
    all(cells.into_iter().map(Cell::visit)).await
}

#[tokio::test]
async fn clients_with_a_handshake_at_servers_without() -> Outcome {
    visit(pairs(Era::Legacy, Some(Era::Modern), 0)).await
}

#[tokio::test]
async fn clients_without_a_handshake_at_servers_with_one() -> Outcome {
    let cells = pairs(Era::Modern, Some(Era::Legacy), 0);
    visit(cells.into_iter().chain(pairs(Era::Modern, Some(Era::Legacy), 1)).collect()).await
}

#[tokio::test]
async fn clients_without_a_handshake_at_servers_of_both_eras() -> Outcome {
    visit(pairs(Era::Modern, None, 2)).await
}

#[tokio::test]
async fn clients_that_ask_first_at_servers_of_both_eras() -> Outcome {
    visit(pairs(Era::Auto, None, 3)).await
}

/// Clients of both eras at one gateway, to one server that has both.
async fn together(maker: Maker) -> Outcome {
    let gateway = proxy(&command(maker.command()?)).await;
    let url = gateway.url("/mcp");
    // Log lines on a pipe that several clients share say not whose they are.
    let modern = Sdk::ALL.into_iter().filter(|sdk| sdk.is_modern()).map(|sdk| (sdk, Era::Auto, vec![Step::Logs]));
    let legacy = Sdk::ALL.map(|sdk| (sdk, Era::Legacy, Vec::new()));
    all(legacy.into_iter().chain(modern).map(|(sdk, era, mut without)| {
        without.extend(maker.lacks(era != Era::Legacy, false));
        let at = Transport::Http(url.clone());
        async move { Ok(tour(sdk, at, era, &without).await?) }
    }))
    .await
}

#[tokio::test]
async fn clients_of_both_eras_share_a_gateway_to_a_typescript_server() -> Outcome {
    together(Maker::TypeScript).await
}

#[tokio::test]
async fn clients_of_both_eras_share_a_gateway_to_a_rust_server() -> Outcome {
    together(Maker::Rmcp).await
}
