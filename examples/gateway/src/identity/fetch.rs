//! Reads a key set where it lies, bounded in size and time.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::tls::{RootCerts, TlsConfig};

/// Where a key set lies.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Url(String, Agent),
}

impl Source {
    pub(super) fn file(path: PathBuf) -> Self {
        Self::File(path)
    }

    /// Whoever can answer in the place of this address can be any user, so nothing but TLS will do, except on
    /// the loopback. A redirect is not followed: it could lead from one to the other.
    pub(super) fn url(url: String) -> Result<Self, String> {
        const WHICH: &str =
            "the address of the key set must be https, or http on this machine, without a user";
        let uri: Uri = url.parse().map_err(|_| WHICH)?;
        let here = match (uri.scheme(), uri.host(), uri.authority()) {
            (Some(scheme), Some(host), Some(authority)) if !authority.as_str().contains('@') => {
                if *scheme != Scheme::HTTPS && !(*scheme == Scheme::HTTP && is_loopback(host)) {
                    return Err(WHICH.to_owned());
                }
                *scheme == Scheme::HTTP
            }
            _ => return Err(WHICH.to_owned()),
        };
        let roots = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0).tls_config(roots);
        let config = if here { config.proxy(None) } else { config.https_only(true) };
        Ok(Self::Url(url, config.build().new_agent()))
    }

    /// The bytes of the set.
    ///
    /// # Errors
    /// Why there are none, for the log of the operator.
    pub(super) async fn read(&self) -> Result<Vec<u8>, String> {
        let source = self.clone();
        let read = tokio::task::spawn_blocking(move || match source {
            Self::File(path) => from_file(&path),
            Self::Url(url, agent) => from_url(&url, &agent),
        });
        // A file may hang as well, on a network or a pipe, and others wait for this attempt.
        match tokio::time::timeout(TIMEOUT + Duration::from_secs(1), read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => Err("the reading broke off".to_owned()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url, _) => f.write_str(url),
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);
/// A set of ten RSA keys with their certificates is about 30 KiB.
const LARGEST: u64 = 256 << 10;

/// Whether `host`, as an address on the web names it, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn from_file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it is larger than {LARGEST} bytes"));
    }
    Ok(bytes)
}

fn from_url(url: &str, agent: &Agent) -> Result<Vec<u8>, String> {
    let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
    if answer.status() != 200 {
        return Err(format!("it answers with status {}", answer.status().as_u16()));
    }
    answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_or_on_this_machine() {
        for good in [
            "https://idp.example/jwks",
            "HTTPS://idp.example",
            "http://localhost:8080/jwks",
            "http://127.0.0.1/jwks",
            "http://127.9.9.9/jwks",
            "http://[::1]:1/jwks",
        ] {
            assert!(Source::url(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/jwks",
            "idp.example",
            "http://idp.example/jwks",
            "http://127.0.0.1.idp.example/jwks",
            "http://localhost.idp.example/jwks",
            "http://127.0.0.1@idp.example/jwks",
            "http://10.0.0.1/jwks",
            "http://[::2]/jwks",
            "https://user:word@idp.example/jwks",
            "file:///etc/jwks",
            "ftp://localhost/jwks",
        ] {
            assert!(Source::url(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
