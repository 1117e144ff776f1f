//! Whether a port can be listened on, and who has it if not.

use std::fs;
use std::net::{SocketAddr, TcpListener};

/// A process that has a port.
pub(super) struct Owner {
    pub(super) pid: u32,
    pub(super) name: String,
}

/// Whether nobody listens there.
pub(super) fn is_free(address: SocketAddr) -> Result<(), std::io::Error> {
    TcpListener::bind(address).map(drop)
}

/// Who listens on a port of this machine, as far as one may see that (proc(5), `net/tcp`).
pub(super) fn owner(port: u16) -> Option<Owner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let socket = tables.iter().flat_map(|table| table.lines()).find_map(|line| listening(line, port))?;
    let socket = format!("socket:[{socket}]");
    let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == socket.as_str())
    };
    let pid = pids.into_iter().find(has)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    Some(Owner { pid, name })
}

/// The socket of a line of the table, if that listens on the port.
fn listening(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    let local = words.get(1)?.rsplit_once(':')?.1;
    let ours = u16::from_str_radix(local, 16).is_ok_and(|found| found == port);
    (ours && words.get(3) == Some(&LISTEN)).then(|| words.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_with_its_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        assert!(is_free(address).is_err());
        assert_eq!(owner(address.port()).map(|owner| owner.pid), Some(std::process::id()));
        drop(listener);
        assert!(is_free(address).is_ok());
    }
}
