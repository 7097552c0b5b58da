//! The command-line client: the verbs of the original's, against any server that speaks the API.
//!
//! Owns the command line, the calls and the lines printed. Leaves the terminal and the exit codes to the binary.

mod flags;
mod http;
mod kinds;

use std::io::Write;

use deadstick_core::text::printable;
use serde_json::{Map, Value, json};

use self::flags::{Flags, split};
pub use self::http::{Client, CtlError};

/// The verbs.
pub const USAGE: &str = "\
Usage: deadstick proxy ctl [--host URL] COMMAND
  list                                        all proxies (l, li, ls)
  inspect PROXY                               its toxics (i, ins)
  create -l ADDRESS -u ADDRESS PROXY          (c, new)
  toggle PROXY                                on or off (tog)
  delete PROXY                                (d)
  toxic add -t TYPE [-n NAME] [--toxicity SHARE] [-a KEY=VALUE]... [-u|-d] PROXY
  toxic update -n NAME [--toxicity SHARE] [-a KEY=VALUE]... PROXY
  toxic remove -n NAME PROXY                  (t; a, u, r)
  toxic                                       all types of toxics, with their attributes
URL is http://HOST:PORT or unix:PATH; default: TOXIPROXY_URL, else http://localhost:8474.
";

/// Where the server is if nobody says.
pub const DEFAULT_URL: &str = "http://localhost:8474";

/// Runs one command. `url` is the value of `TOXIPROXY_URL`, if set; `token` what the server wants to be shown.
///
/// # Errors
///
/// The command line is wrong, the server cannot be reached or refuses, or `out` fails.
pub async fn run(
    arguments: &[String],
    url: Option<&str>,
    token: Option<&str>,
    out: &mut (dyn Write + Send),
) -> Result<(), CtlError> {
    let (mut flags, words) = split(arguments)?;
    let host = flags.take(&["host", "h"]).pop();
    let client = Client::new(host.as_deref().or(url).unwrap_or(DEFAULT_URL), token)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let line = match words[..] {
        ["list" | "l" | "li" | "ls"] => {
            flags.all_used()?;
            list(&client).await?
        }
        ["inspect" | "i" | "ins", proxy] => {
            flags.all_used()?;
            inspect(&client, proxy).await?
        }
        ["create" | "c" | "new", proxy] => {
            let body = json!({
                "name": proxy,
                "listen": flags.one(&["listen", "l"])?,
                "upstream": flags.one(&["upstream", "u"])?,
                "enabled": true,
            });
            flags.all_used()?;
            client.call("POST", &["proxies"], Some(&body)).await?;
            format!("Created new proxy {proxy}\n")
        }
        ["toggle" | "tog", proxy] => {
            flags.all_used()?;
            let now = client.call("GET", &["proxies", proxy], None).await?;
            let enable = now["enabled"] != true;
            let body = json!({"enabled": enable});
            client.call("POST", &["proxies", proxy], Some(&body)).await?;
            let state = if enable { "enabled" } else { "disabled" };
            format!("Proxy {proxy} is now {state}\n")
        }
        ["delete" | "d", proxy] => {
            flags.all_used()?;
            client.call("DELETE", &["proxies", proxy], None).await?;
            format!("Deleted proxy {proxy}\n")
        }
        ["toxic" | "t"] => {
            flags.all_used()?;
            kinds::table()
        }
        ["toxic" | "t", verb, proxy] => toxic(&client, &mut flags, verb, proxy).await?,
        _ => return Err(CtlError::Usage(misfit(&words))),
    };
    // Tabs and line ends are ours; what came from the server is made printable where it is put in.
    out.write_all(line.as_bytes()).map_err(CtlError::Output)
}

/// What is wrong with words that are no command.
fn misfit(words: &[&str]) -> String {
    match words {
        [] => "a command is missing".to_owned(),
        ["list" | "l" | "li" | "ls", word, ..] => format!("list takes no word, and here is {word}"),
        ["toxic" | "t", "add" | "a" | "update" | "u" | "remove" | "r" | "delete" | "d", rest @ ..] => {
            format!("this takes the name of one proxy, and here are {}", rest.len())
        }
        ["toxic" | "t", ..] => "toxics are added, updated and removed".to_owned(),
        ["inspect" | "i" | "ins" | "create" | "c" | "new" | "toggle" | "tog" | "delete" | "d", rest @ ..] => {
            format!("this takes the name of one proxy, and here are {}", rest.len())
        }
        [word, ..] => format!("no such command: {word}"),
    }
}

async fn list(client: &Client) -> Result<String, CtlError> {
    let proxies = client.call("GET", &["proxies"], None).await?;
    let mut lines = String::new();
    for proxy in proxies.as_object().into_iter().flat_map(Map::values) {
        let text = |key: &str| printable(proxy[key].as_str().unwrap_or_default());
        let state = if proxy["enabled"] == true { "enabled" } else { "disabled" };
        let toxics = proxy["toxics"].as_array().map_or(0, Vec::len);
        lines += &format!("{}\t{}\t{}\t{state}\t{toxics}\n", text("name"), text("listen"), text("upstream"));
    }
    Ok(lines)
}

async fn inspect(client: &Client, proxy: &str) -> Result<String, CtlError> {
    let proxy = client.call("GET", &["proxies", proxy], None).await?;
    let mut lines = String::new();
    for toxic in proxy["toxics"].as_array().into_iter().flatten() {
        let text = |key: &str| printable(toxic[key].as_str().unwrap_or_default());
        let toxicity = toxic["toxicity"].as_f64().unwrap_or(0.0);
        lines += &format!(
            "{}\ttype={}\tstream={}\ttoxicity={toxicity:.2}\tattributes=[",
            text("name"),
            text("type"),
            text("stream")
        );
        let attributes = toxic["attributes"].as_object();
        let mut attributes: Vec<_> = attributes.into_iter().flatten().collect();
        attributes.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in attributes {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            lines += &format!("\t{}={}", printable(key), printable(&value));
        }
        lines += "\t]\n";
    }
    Ok(lines)
}

async fn toxic(client: &Client, flags: &mut Flags, verb: &str, proxy: &str) -> Result<String, CtlError> {
    let mut body = Map::new();
    if let Some(toxicity) = flags.take(&["toxicity", "tox"]).pop() {
        let share = toxicity.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
        let share = share
            .ok_or_else(|| CtlError::Usage(format!("toxicity is a number from 0 to 1, not {toxicity}")))?;
        body.insert("toxicity".to_owned(), json!(share));
    }
    let given = flags.take(&["attribute", "a"]);
    match verb {
        "add" | "a" => {
            let kind = flags.one(&["type", "t"])?;
            let stream = match (flags.has(&["upstream", "u"]), flags.has(&["downstream", "d"])) {
                (true, true) => {
                    return Err(CtlError::Usage("a toxic has one stream".to_owned()));
                }
                (true, false) => "upstream",
                (false, _) => "downstream",
            };
            if let Some(name) = flags.take(&["toxicName", "n"]).pop() {
                body.insert("name".to_owned(), Value::String(name));
            }
            flags.all_used()?;
            let known = kinds::attributes_of(&kind);
            let attributes = kinds::attributes(&given, known.as_ref(), &kind)?;
            body.insert("type".to_owned(), json!(kind));
            body.insert("stream".to_owned(), json!(stream));
            body.insert("attributes".to_owned(), Value::Object(attributes));
            let path = ["proxies", proxy, "toxics"];
            let made = client.call("POST", &path, Some(&Value::Object(body))).await?;
            let name = printable(made["name"].as_str().unwrap_or_default());
            Ok(format!("Added {stream} {kind} toxic '{name}' on proxy '{proxy}'\n"))
        }
        "update" | "u" => {
            let name = flags.one(&["toxicName", "n"])?;
            flags.all_used()?;
            let path = ["proxies", proxy, "toxics", &name];
            let toxic = client.call("GET", &path, None).await?;
            let attributes = kinds::attributes(&given, toxic["attributes"].as_object(), &name)?;
            body.insert("attributes".to_owned(), Value::Object(attributes));
            client.call("POST", &path, Some(&Value::Object(body))).await?;
            Ok(format!("Updated toxic '{name}' on proxy '{proxy}'\n"))
        }
        "remove" | "r" | "delete" | "d" => {
            let name = flags.one(&["toxicName", "n"])?;
            flags.all_used()?;
            let path = ["proxies", proxy, "toxics", &name];
            client.call("DELETE", &path, None).await?;
            Ok(format!("Removed toxic '{name}' on proxy '{proxy}'\n"))
        }
        _ => Err(CtlError::Usage("toxics are added, updated and removed".to_owned())),
    }
}
