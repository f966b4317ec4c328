//! Commands and options.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use medorder_gateway::identity::{Identity, Keys, Rules};
use medorder_gateway::{Pace, Rates};

/// REST, live updates and a page over the medorder engine.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves a database that is there.
    Serve(Serve),
    /// Serves a new database of synthetic patients' orders, with a sign-in for every role.
    Demo(Demo),
    /// Prints the OpenAPI document.
    Openapi,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// A file, or postgres://ROLE@HOST/DATABASE.
    #[arg(long, env = "MEDORDER_DATABASE", hide_env_values = true)]
    pub(crate) database: String,
    /// The root key.
    #[arg(long, env = "MEDORDER_KEY_FILE")]
    pub(crate) key_file: PathBuf,
    /// Where checkpoints are kept, outside the database.
    #[arg(long)]
    pub(crate) anchor: Option<PathBuf>,
    /// The address to listen on; the gateway does no TLS, so let a proxy do it.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The folder of the page (`npm run build` leaves it in examples/gateway/web/dist).
    #[arg(long)]
    pub(crate) page: Option<PathBuf>,
    /// Takes the client's address from X-Forwarded-For, which a proxy in front must set.
    #[arg(long)]
    pub(crate) trust_proxy: bool,
    #[command(flatten)]
    pub(crate) identity: Tokens,
    #[command(flatten)]
    pub(crate) rates: RateOptions,
}

#[derive(Args)]
pub(crate) struct Tokens {
    #[command(flatten)]
    source: Source,
    /// For whom the tokens must be; needed with --jwks.
    #[arg(long)]
    audience: Option<String>,
    /// Who must have issued the tokens.
    #[arg(long)]
    issuer: Option<String>,
    /// How many seconds the issuer's clock may differ from this one.
    #[arg(long, default_value_t = Rules::default().leeway)]
    leeway: u32,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The key set of the identity provider: its https address, or a file. RS256, ES256 and EdDSA.
    #[arg(long, value_name = "URL|FILE")]
    jwks: Option<String>,
    /// For development: a file with the secret of HS256 tokens, all its bytes (a line end too), 32 or more.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl Tokens {
    pub(crate) async fn open(self) -> Result<Identity, String> {
        let keys = match (self.source.jwks, self.source.secret_file) {
            (Some(url), _) if url.contains("://") => Keys::SetUrl(url),
            (Some(file), _) => Keys::SetFile(file.into()),
            (None, Some(file)) => {
                Keys::Secret(std::fs::read(file).map_err(|error| format!("the secret: {error}"))?.into())
            }
            (None, None) => return Err("give --jwks or --secret-file".to_owned()),
        };
        let rules = Rules { issuer: self.issuer, audience: self.audience, leeway: self.leeway };
        Identity::open(keys, rules).await
    }
}

#[derive(Args)]
pub(crate) struct Demo {
    /// The address to listen on, a loopback one; absent: the first free port from 8080 on.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// The folder of the page.
    #[arg(long)]
    pub(crate) page: Option<PathBuf>,
    /// Keeps data, key and secret here; absent: in a temporary folder that goes away at the end.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Uses this PostgreSQL database; several demos with the same one, and the same folder, share it.
    #[arg(long, value_name = "URL", requires = "folder")]
    pub(crate) postgres: Option<String>,
    /// Makes the schema first, as the database's owner.
    #[arg(long, value_name = "URL", requires = "role")]
    pub(crate) owner: Option<String>,
    /// The role of the url of --postgres, to which the schema is granted.
    #[arg(long, requires = "owner")]
    pub(crate) role: Option<String>,
    /// How long a sign-in lasts.
    #[arg(long, default_value_t = 480)]
    pub(crate) token_minutes: u32,
    /// How often a live connection is asked whether it is there, in milliseconds.
    #[arg(long, default_value_t = 20_000, hide = true)]
    ping_millis: u64,
    #[command(flatten)]
    pub(crate) rates: RateOptions,
}

impl Demo {
    pub(crate) fn pace(&self) -> Pace {
        Pace { ping: Duration::from_millis(self.ping_millis), ..Pace::default() }
    }
}

#[derive(Args)]
pub(crate) struct RateOptions {
    /// Requests a second that one user may make.
    #[arg(long, default_value_t = Rates::default().user)]
    user_rate: NonZeroU32,
    /// Refused tokens a second from one address, before it is told to wait.
    #[arg(long, default_value_t = Rates::default().refused)]
    refused_rate: NonZeroU32,
}

impl RateOptions {
    pub(crate) fn rates(&self) -> Rates {
        Rates { user: self.user_rate, refused: self.refused_rate }
    }
}
