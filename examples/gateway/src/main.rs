//! The reference gateway as a program: `medorder-gateway serve`, or `demo` to look at it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

mod cli;
mod folder;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use medorder::service::Builder;
use medorder::storage::postgres::PostgresInit;
use medorder::{AnchorFile, ErrorCode, KeyFile, OrderService, generate_key_file};
use medorder_gateway::demo::{self, SignIn};
use medorder_gateway::identity::{Identity, Keys, Rules};
use medorder_gateway::{Gateway, Settings};
use tokio::net::TcpListener;

use crate::cli::{Arguments, Command, Demo, Serve};
use crate::folder::Folder;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    panics();
    let done = match arguments.command {
        Command::Serve(options) => {
            logs("info");
            serve(options).await
        }
        Command::Demo(options) => {
            // The engine warns of each denial, and whoever looks around makes many.
            logs("error");
            show(options).await
        }
        Command::Openapi => {
            println!("{}", medorder_gateway::document());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("medorder-gateway: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A panic's message may quote what was being worked on; where it was is enough to find it.
fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "medorder_gateway", place, "panic");
    }));
}

/// Log lines on stderr, as `MEDORDER_LOG` says: `medorder_gateway` has one a request.
fn logs(usual: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MEDORDER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

async fn serve(options: Serve) -> Result<(), String> {
    if let Some(page) = options.page.as_ref().filter(|page| !page.join("index.html").is_file()) {
        return Err(format!("no page in {}: it has no index.html", page.display()));
    }
    let keys = KeyFile::open(&options.key_file).map_err(|error| said("the key file", &error))?;
    // A mistyped path must not look like a hospital without orders.
    let mut builder = OrderService::builder(&options.database, keys).create(false);
    if let Some(anchor) = &options.anchor {
        builder = builder.anchor(AnchorFile::open(anchor).map_err(|error| said("the anchor", &error))?);
    }
    let service = builder.open().await.map_err(|error| said("the database", &error))?;
    let identity = options.identity.open().await?;
    let settings = Settings {
        page: options.page,
        rates: options.rates.rates(),
        trust_proxy: options.trust_proxy,
        ..Settings::default()
    };
    let listener = listen(options.listen).await?;
    println!("http://{}", address(&listener)?);
    run(Gateway::new(service, identity, settings), listener, stopped()).await
}

async fn show(options: Demo) -> Result<(), String> {
    if !options.listen.is_none_or(|address| address.ip().is_loopback()) {
        return Err("the demo signs in whoever asks, so it listens on loopback addresses only".to_owned());
    }
    // Heard from here on, so that Ctrl-C leaves no folder behind while the demo is still being made.
    let mut stop = tokio::spawn(stopped());
    let folder = Folder::open(options.folder.as_deref(), options.postgres.is_some())?;
    let key = folder.path().join("root.key");
    if !key.exists() {
        generate_key_file(&key).map_err(|error| said("the key file", &error))?;
    }
    let database =
        options.postgres.clone().unwrap_or_else(|| folder.path().join("orders.db").display().to_string());
    let service = open(&options, &database, &key, &folder).await?;
    let filled = tokio::select! {
        filled = demo::fill(&service) => filled.map_err(|error| said("the orders", &error))?,
        _ = &mut stop => return service.close().await.map_err(|error| said("the end", &error)),
    };
    let secret = folder.secret()?;
    let identity =
        Identity::open(Keys::Secret(secret.clone().into()), Rules { leeway: 0, ..Rules::default() }).await?;
    let sign_in = SignIn::new(secret, options.token_minutes, filled.territories);
    let settings = Settings {
        page: options.page.clone(),
        rates: options.rates.rates(),
        pace: options.pace(),
        demo: Some(sign_in.clone()),
        ..Settings::default()
    };
    let listener = match options.listen {
        Some(address) => listen(address).await?,
        None => first_free().await?,
    };
    if filled.orders > 0 {
        println!("created {} orders from synthetic records (CC0)", filled.orders);
    }
    println!("\nsign-in tokens, each for one role:");
    for person in demo::PEOPLE {
        let (token, _) = sign_in.token(person).map_err(|error| said("a token", &error))?;
        println!("  {:13} {token}", person.role);
    }
    println!("\ndata     {}", folder.told());
    println!("Ctrl-C   ends it");
    println!("\nopen     http://{}", address(&listener)?);
    let stop = async {
        let _ = stop.await;
    };
    run(Gateway::new(service, identity, settings), listener, stop).await
}

async fn open(
    options: &Demo,
    database: &str,
    key: &std::path::Path,
    folder: &Folder,
) -> Result<OrderService, String> {
    let builder = || -> Result<Builder, String> {
        let keys = KeyFile::open(key).map_err(|error| said("the key file", &error))?;
        let anchor =
            AnchorFile::open(folder.path().join("anchor.txt")).map_err(|error| said("the anchor", &error))?;
        Ok(OrderService::builder(database, keys).anchor(anchor))
    };
    if let (Some(owner), Some(role)) = (&options.owner, &options.role) {
        let keys = KeyFile::open(key).map_err(|error| said("the key file", &error))?;
        let made = OrderService::builder(owner, keys).init(&PostgresInit::new(role)).await;
        made.map_err(|error| said("the schema", &error))?;
    }
    builder()?.open().await.map_err(|error| match error.code() {
        ErrorCode::SchemaUnsupported if options.postgres.is_some() => {
            "the database has no schema of medorder: give --owner URL and --role NAME once, to make it"
                .to_owned()
        }
        _ => said("the database", &error),
    })
}

async fn run(gateway: Gateway, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), String> {
    gateway.serve(listener, stop).await.map_err(|error| said("the end", &error))
}

/// Ends at Ctrl-C, or when the system asks.
async fn stopped() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => interrupt.await,
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
}

async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// The first free port from 8080 on, on the loopback address.
async fn first_free() -> Result<TcpListener, String> {
    for port in 8080..8100 {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return Ok(listener);
        }
    }
    listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).await
}

fn address(listener: &TcpListener) -> Result<std::net::SocketAddr, String> {
    listener.local_addr().map_err(|error| format!("no address: {error}"))
}

fn said(what: &str, error: &medorder::Error) -> String {
    format!("{what}: {}: {error}", error.code().name())
}
