//! A wire that the test can cut: after so many bytes in one direction, or at once.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// From the program to the server.
    Up,
    /// From the server to the program.
    Down,
}

/// Passes connections on to a server.
pub struct Proxy {
    port: u16,
    wire: Arc<Wire>,
    acceptor: Option<JoinHandle<()>>,
}

struct Wire {
    server: u16,
    plan: Mutex<Plan>,
    stopped: AtomicBool,
    up: AtomicU64,
    down: AtomicU64,
}

#[derive(Default)]
struct Plan {
    /// Cut the connection whose next bytes this way would be more than these.
    cut: Option<(Way, u64)>,
    /// Nobody gets through, and whoever was connected no longer is.
    dead: bool,
    /// Whether the wire stays dead once it was cut.
    stays_dead: bool,
    cuts: u64,
    lines: Vec<Line>,
}

/// A connection, seen from outside.
struct Line {
    ends: [TcpStream; 2],
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// No answer comes through any more.
    mute: AtomicBool,
    /// One of its ends is gone.
    over: AtomicBool,
}

impl Proxy {
    /// A wire to `server`, whole for now.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let wire = Arc::new(Wire {
            server,
            plan: Mutex::default(),
            stopped: AtomicBool::new(false),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&wire);
        let acceptor = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                accepting.pass(client);
            }
        });
        Self { port, wire, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Lets `bytes` more pass this way, over all connections, and then cuts the connection that wants to send
    /// another one.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        self.wire.plan().cut = Some((way, bytes));
    }

    /// Takes the order of [`cut_after`](Self::cut_after) back; true if it was carried out.
    pub fn disarm(&self) -> bool {
        self.wire.plan().cut.take().is_none()
    }

    /// Whether the wire stays dead once it was cut, until [`heal`](Self::heal).
    pub fn stay_dead(&self, stays: bool) {
        self.wire.plan().stays_dead = stays;
    }

    /// Cuts every connection now; new ones get through.
    pub fn cut(&self) {
        self.wire.plan().end();
    }

    /// Cuts every connection now and refuses new ones.
    pub fn kill(&self) {
        let mut plan = self.wire.plan();
        plan.dead = true;
        plan.end();
    }

    /// Swallows every answer of the server on the connections there are now, which stay open; new ones are whole.
    pub fn mute(&self) {
        for line in &self.wire.plan().lines {
            line.state.mute.store(true, Ordering::SeqCst);
        }
    }

    /// Lets new connections through again.
    pub fn heal(&self) {
        self.wire.plan().dead = false;
    }

    /// How many connections were cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.wire.plan().cuts
    }

    /// How many bytes have passed this way.
    #[must_use]
    pub fn passed(&self, way: Way) -> u64 {
        self.wire.counter(way).load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.stopped.store(true, Ordering::SeqCst);
        self.kill();
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Wire {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn counter(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    fn pass(self: &Arc<Self>, client: TcpStream) {
        let mut plan = self.plan();
        if plan.dead {
            return;
        }
        let Ok(server) =
            TcpStream::connect_timeout(&([127, 0, 0, 1], self.server).into(), Duration::from_secs(5))
        else {
            return;
        };
        let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
        let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        let state = Arc::<State>::default();
        // A campaign cuts thousands, and each would keep its two handles.
        plan.lines.retain(|line| !line.state.over.load(Ordering::SeqCst));
        plan.lines.push(Line { ends: [copy(&client), copy(&server)], state: Arc::clone(&state) });
        for (way, from, to) in [(Way::Up, copy(&client), copy(&server)), (Way::Down, server, client)] {
            let (wire, state) = (Arc::clone(self), Arc::clone(&state));
            std::thread::spawn(move || wire.copy(way, from, to, &state));
        }
    }

    fn copy(&self, way: Way, mut from: TcpStream, mut to: TcpStream, state: &State) {
        let mut buffer = [0; 64 * 1024];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if way == Way::Down && state.mute.load(Ordering::SeqCst) {
                continue;
            }
            let (allowed, cut) = self.allow(way, read);
            let sent = to.write_all(&buffer[..allowed]);
            self.counter(way).fetch_add(allowed as u64, Ordering::SeqCst);
            if cut || sent.is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
        state.over.store(true, Ordering::SeqCst);
    }

    /// How many of `read` bytes may pass, and whether the connection ends there.
    fn allow(&self, way: Way, read: usize) -> (usize, bool) {
        let mut plan = self.plan();
        match &mut plan.cut {
            Some((cut, left)) if *cut == way => {
                if *left >= read as u64 {
                    *left -= read as u64;
                    return (read, false);
                }
                let allowed = usize::try_from(*left).expect("less than was read");
                plan.cut = None;
                plan.cuts += 1;
                if plan.stays_dead {
                    plan.dead = true;
                }
                (allowed, true)
            }
            _ => (read, false),
        }
    }
}

impl Plan {
    fn end(&mut self) {
        for end in self.lines.drain(..).flat_map(|line| line.ends) {
            if end.shutdown(Shutdown::Both).is_ok() {
                self.cuts += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte with two.
    fn doubler() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        let _ = stream.write_all(&[byte[0], byte[0]]);
                    }
                });
            }
        });
        port
    }

    fn answer(stream: &mut TcpStream, sent: &[u8]) -> Vec<u8> {
        let _ = stream.write_all(sent);
        let mut all = vec![0; sent.len() * 2];
        let mut got = 0;
        while got < all.len() {
            match stream.read(&mut all[got..]) {
                Ok(0) | Err(_) => break,
                Ok(read) => got += read,
            }
        }
        all.truncate(got);
        all
    }

    #[test]
    fn a_wire_passes_what_it_may_and_not_a_byte_more() {
        let proxy = Proxy::to(doubler());
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let mut whole = connect();
        assert_eq!(answer(&mut whole, b"abc"), b"aabbcc");
        proxy.cut_after(Way::Down, 3);
        assert_eq!(answer(&mut whole, b"def"), b"dde");
        assert_eq!(proxy.cuts(), 1);
        assert!(proxy.disarm());
        proxy.cut_after(Way::Up, 1);
        // The answer to the byte that passed may be faster than the end of the wire.
        assert!(answer(&mut connect(), b"xy").len() <= 2);
        assert_eq!(proxy.passed(Way::Up), 3 + 3 + 1);
        proxy.cut_after(Way::Up, 100);
        assert_eq!(answer(&mut connect(), b"z"), b"zz");
        assert!(!proxy.disarm());
    }

    #[test]
    fn a_dead_wire_lets_nobody_through_until_it_is_healed() {
        let proxy = Proxy::to(doubler());
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let mut old = connect();
        assert_eq!(answer(&mut old, b"a"), b"aa");
        proxy.kill();
        assert_eq!(answer(&mut old, b"b"), b"");
        assert_eq!(answer(&mut connect(), b"c"), b"");
        proxy.heal();
        assert_eq!(answer(&mut connect(), b"d"), b"dd");
        proxy.stay_dead(true);
        proxy.cut_after(Way::Down, 0);
        assert_eq!(answer(&mut connect(), b"e"), b"");
        assert_eq!(answer(&mut connect(), b"f"), b"");
    }
}
