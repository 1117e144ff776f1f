//! guMCP factory servers: folders with a `main.py`, each hosted by Python processes that several sessions may share.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::error::INTERNAL_ERROR;
use janua_wire::message::Response;
use tokio::time::timeout;

use crate::admission::Slot;
use crate::config::{FolderServer, ServerCommand, Share};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::starts::Spare;
use crate::servers::warm::Stock;
use crate::servers::{Connection, Eras, Opener, Opening, Refusal, opening};
use crate::user::User;

mod channel;
mod host;
pub(crate) mod trial;

use channel::Channel;
use host::Host;

/// What runs in the interpreter: it loads the server and gives each session a stream of its own.
const SHIM: &str = include_str!("folder/shim.py");

/// The same without a line break at its end: framing adds one.
fn shim() -> &'static str {
    SHIM.trim_end()
}

/// Reads what runs from standard input, so that neither a file nor a list of processes has to hold it.
const BOOT: &str = "import os,sys\nn=int(sys.argv.pop(1));b=b''\nwhile len(b)<n:b+=os.read(0,n-len(b))\n\
                    exec(compile(b,'janua','exec'))";

/// The user in whose name servers are used by nobody in particular, as in guMCP's local runner.
pub(crate) const LOCAL: &str = "local";

/// How long a process goes on that no session uses, unless the server's settings say otherwise.
pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);

/// Opens sessions with a folder's server, in a process for each session key, for each user, or for all.
pub(crate) struct FolderOpener(Arc<Hosts>);

/// Which process a session goes to.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// That of a user id and an API key.
    Session(Arc<User>),
    /// That of a user id.
    User(Arc<str>),
    /// The only one.
    All,
}

struct Hosts {
    stock: Arc<Stock>,
    share: Share,
    idle: Duration,
    /// The API key of whoever runs the gateway, for [`LOCAL`].
    own_key: Option<Arc<str>>,
    running: Lock<HashMap<Key, Arc<Host>>>,
    /// One process is started at a time: whoever waits may find that it is theirs, too.
    starting: tokio::sync::Mutex<()>,
}

impl FolderOpener {
    /// Processes of the `stock`, shared as told, which end when nobody has used them for the time `idle`.
    pub(crate) fn new(stock: Arc<Stock>, share: Share, idle: Duration, own_key: Option<Arc<str>>) -> Self {
        let (running, starting) = (Lock::default(), tokio::sync::Mutex::default());
        let hosts = Arc::new(Hosts { stock, share, idle, own_key, running, starting });
        hosts.stock.starts.know(&hosts);
        FolderOpener(hosts)
    }
}

impl Opener for FolderOpener {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let hosts = self.0.clone();
        // Servers of this kind know no other era, and the older ones end at a message that they do not know.
        async move { hosts.open(&opening.speaking(Eras::Legacy)).await }.boxed()
    }

    fn retire(&self) {
        self.0.running.lock().values().for_each(|host| host.retire());
    }
}

impl Drop for FolderOpener {
    fn drop(&mut self) {
        self.retire();
    }
}

impl Spare for Hosts {
    fn give_up(&self) -> BoxFuture<'_, Option<Slot>> {
        Box::pin(async {
            let oldest = {
                let running = self.running.lock();
                let unused = running.values().filter_map(|host| Some((host.unused_since()?, host)));
                unused.min_by_key(|(since, _)| *since).map(|(_, host)| host.clone())
            };
            oldest?.gone().await;
            self.stock.starts.spare_program()
        })
    }
}

/// How the process of a folder's server is started; with `flags` for what runs in it.
pub(crate) fn command(server: &FolderServer, flags: &[&str]) -> ServerCommand {
    let text = |path: Option<&Path>| path.unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let name = server.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut command = server.interpreter.clone();
    let words = ["-c".to_owned(), BOOT.to_owned(), (shim().len() + 1).to_string(), text(server.folder.parent()), name];
    command.args.extend(words.into_iter().chain(flags.iter().map(|&flag| flag.to_owned())));
    command.cwd.get_or_insert_with(|| server.folder.clone());
    command
}

impl Hosts {
    async fn open(self: Arc<Self>, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
        let user = self.user(opening);
        let (host, channel) = self.join(&user, opening).await?;
        let limit = self.stock.limits.start;
        let refusal = match timeout(limit, opening::agree(channel.peer(), opening)).await {
            Ok(Ok(opened)) => return Ok(Arc::new(channel.opened(opened))),
            Ok(Err(refusal)) => refusal,
            Err(_) => {
                let message = format!("the server did not answer initialize within {limit:?}");
                Failure::new(Kind::StartFailed, message).with_stderr(host.quote()).into()
            }
        };
        let said = channel.ended_because();
        drop(channel);
        host.give_up();
        match said {
            // What went wrong for one user says nothing about the others.
            Some(why) => {
                let message = format!("the server cannot serve this user: {why}");
                Err(Refusal::ByServer(Response::error(INTERNAL_ERROR, &message, None)))
            }
            None => Err(refusal),
        }
    }

    fn user(&self, opening: &Opening) -> Arc<User> {
        let user = opening.user.clone().unwrap_or_else(|| Arc::new(User::new(LOCAL)));
        if user.key.is_none() && &*user.id == LOCAL && self.own_key.is_some() {
            return Arc::new(User { id: user.id.clone(), key: self.own_key.clone() });
        }
        user
    }

    /// A stream of its own for a session, in the process that it belongs to.
    async fn join(&self, user: &Arc<User>, opening: &Opening) -> Result<(Arc<Host>, Channel), Failure> {
        let key = match self.share {
            Share::Session => Key::Session(user.clone()),
            Share::User => Key::User(user.id.clone()),
            Share::All => Key::All,
        };
        loop {
            self.make_room(user)?;
            let host = self.host(&key).await?;
            if let Some(channel) = host.join(user, opening)? {
                return Ok((host, channel));
            }
        }
    }

    /// The process of `key`, started if need be.
    async fn host(&self, key: &Key) -> Result<Arc<Host>, Failure> {
        let find = || self.running.lock().get(key).filter(|host| !host.is_over()).cloned();
        if let Some(host) = find() {
            return Ok(host);
        }
        let _turn = self.starting.lock().await;
        if let Some(host) = find() {
            return Ok(host);
        }
        if self.stock.tasks.is_stopping() {
            return Err(Failure::new(Kind::Stopping, "the gateway is stopping"));
        }
        let host = Host::start(self.stock.start().await?, &self.stock, self.idle);
        let mut running = self.running.lock();
        running.retain(|_, host| !host.is_over());
        running.insert(key.clone(), host.clone());
        Ok(host)
    }

    /// Makes room for one more instance of `user`'s, if it needs one: one that no session uses gives way.
    fn make_room(&self, user: &Arc<User>) -> Result<(), Failure> {
        let most = self.stock.limits.user_instances;
        let running: Vec<Arc<Host>> = self.running.lock().values().filter(|host| !host.is_over()).cloned().collect();
        let has: usize = running.iter().map(|host| host.instances_of(&user.id)).sum();
        if has < most || running.iter().any(|host| host.has_instance(user)) {
            return Ok(());
        }
        let oldest = running
            .iter()
            .filter_map(|host| Some((host.unused_instance_of(&user.id)?, host)))
            .min_by_key(|(unused, _)| unused.1);
        let Some(((held, _), host)) = oldest else {
            let message =
                format!("the user {} has {has} instances of this server in use, the most there may be", user.id);
            return Err(Failure::new(Kind::TooMany, message).retry_after(self.idle.min(Duration::from_secs(60))));
        };
        host.let_go(&held);
        Ok(())
    }
}
