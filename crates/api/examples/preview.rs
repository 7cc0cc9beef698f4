//! Serves the pages over a house of cardboard, so that one can look at them: `cargo run -p sinew-api --example preview`.
//!
//! Arguments: the port (default 7179), a PNG to show as the scan, and the word `empty` for a house where nothing has run.
//! Prints a one-time login link, then serves until it is ended.

#[path = "../tests/it/fake.rs"]
mod fake;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().and_then(|port| port.parse().ok()).unwrap_or(7179);
    let picture = args.next().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let full = args.next().as_deref() != Some("empty");
    let house = fake::Fake::new(full, "", picture.into());
    let people = fake::people(house.clock.clone());
    let code = people.issue_link("ana").map_err(std::io::Error::other)?;
    let token = people.issue_token("ana").map_err(std::io::Error::other)?;
    println!("http://127.0.0.1:{port}/login?code={code}");
    println!("{token}");
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    sinew_api::serve(listener, fake::parts(&house, &people), std::future::pending()).await
}
