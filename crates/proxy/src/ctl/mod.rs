//! The command-line client: the verbs of the original's, against any server that speaks the API.
//!
//! Owns the command line, the calls and the lines printed. Leaves the terminal and the exit codes to the binary.

mod http;

use std::io::Write;

use deadstick_core::text::printable;
use serde_json::{Map, Value, json};

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
        ["list" | "l" | "li" | "ls"] => list(&client).await?,
        ["inspect" | "i" | "ins", proxy] => inspect(&client, proxy).await?,
        ["create" | "c" | "new", proxy] => {
            let body = json!({
                "name": proxy,
                "listen": flags.one(&["listen", "l"])?,
                "upstream": flags.one(&["upstream", "u"])?,
                "enabled": true,
            });
            client.call("POST", &["proxies"], Some(&body)).await?;
            format!("Created new proxy {proxy}\n")
        }
        ["toggle" | "tog", proxy] => {
            let now = client.call("GET", &["proxies", proxy], None).await?;
            let enable = now["enabled"] != true;
            let body = json!({"enabled": enable});
            client.call("POST", &["proxies", proxy], Some(&body)).await?;
            let state = if enable { "enabled" } else { "disabled" };
            format!("Proxy {proxy} is now {state}\n")
        }
        ["delete" | "d", proxy] => {
            client.call("DELETE", &["proxies", proxy], None).await?;
            format!("Deleted proxy {proxy}\n")
        }
        ["toxic" | "t", verb, proxy] => toxic(&client, &mut flags, verb, proxy).await?,
        _ => return Err(CtlError::Usage("no such command".to_owned())),
    };
    flags.all_used()?;
    // Tabs and line ends are ours; what came from the server is made printable where it is put in.
    out.write_all(line.as_bytes()).map_err(CtlError::Output)
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
        let share: f64 =
            toxicity.parse().map_err(|_| CtlError::Usage(format!("toxicity is a number, not {toxicity}")))?;
        body.insert("toxicity".to_owned(), json!(share));
    }
    let attributes = attributes(&flags.take(&["attribute", "a"]))?;
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
            body.insert("attributes".to_owned(), Value::Object(attributes));
            let path = ["proxies", proxy, "toxics", &name];
            client.call("POST", &path, Some(&Value::Object(body))).await?;
            Ok(format!("Updated toxic '{name}' on proxy '{proxy}'\n"))
        }
        "remove" | "r" | "delete" | "d" => {
            let name = flags.one(&["toxicName", "n"])?;
            let path = ["proxies", proxy, "toxics", &name];
            client.call("DELETE", &path, None).await?;
            Ok(format!("Removed toxic '{name}' on proxy '{proxy}'\n"))
        }
        _ => Err(CtlError::Usage("toxics are added, updated and removed".to_owned())),
    }
}

/// `key=value` pairs: numbers as numbers, all else as text.
fn attributes(pairs: &[String]) -> Result<Map<String, Value>, CtlError> {
    pairs
        .iter()
        .map(|pair| {
            let (key, text) = pair
                .split_once('=')
                .ok_or_else(|| CtlError::Usage(format!("an attribute is KEY=VALUE, not {pair}")))?;
            let value = text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<f64>().map(Value::from))
                .unwrap_or_else(|_| Value::from(text));
            Ok((key.to_owned(), value))
        })
        .collect()
}

/// The flags of a command line, as they stand; each is taken by whoever it means something to.
struct Flags(Vec<(String, Option<String>)>);

/// Flags and words apart. A flag that takes a value has it behind it or after an equals sign.
fn split(arguments: &[String]) -> Result<(Flags, Vec<String>), CtlError> {
    let mut flags = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            words.push(argument.clone());
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if let Some((flag, value)) = flag.split_once('=') {
            flags.push((flag.to_owned(), Some(value.to_owned())));
            continue;
        }
        // The same letters name an address of a new proxy and the stream of a new toxic.
        let toxic = matches!(words.first().map(String::as_str), Some("toxic" | "t"));
        let alone = toxic && matches!(flag, "upstream" | "u" | "downstream" | "d");
        let value = if alone {
            None
        } else {
            let value = rest.next().cloned();
            Some(value.ok_or_else(|| CtlError::Usage(format!("-{flag} needs a value")))?)
        };
        flags.push((flag.to_owned(), value));
    }
    Ok((Flags(flags), words))
}

impl Flags {
    /// All values of a flag, which is then used.
    fn take(&mut self, names: &[&str]) -> Vec<String> {
        let taken = self.0.extract_if(.., |(name, value)| value.is_some() && names.contains(&name.as_str()));
        taken.filter_map(|(_, value)| value).collect()
    }

    fn one(&mut self, names: &[&str]) -> Result<String, CtlError> {
        let missing = || CtlError::Usage(format!("--{} is missing", names[0]));
        self.take(names).pop().ok_or_else(missing)
    }

    fn has(&mut self, names: &[&str]) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, value)| value.is_some() || !names.contains(&name.as_str()));
        self.0.len() < before
    }

    fn all_used(&self) -> Result<(), CtlError> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(CtlError::Usage(format!("-{name} means nothing here"))))
    }
}
