//! The story of scripts/clients, by the generated Rust client. Every step that went well is a line.

use bridgework_client::apis::configuration::Configuration;
use bridgework_client::apis::{connectivity_api, containers_api, diagnostics_api, networks_api, service_api, Error};
use bridgework_client::models;
use std::env;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::time::Duration;

const NAME: &str = "story-rust";

type Outcome = Result<(), Box<dyn StdError>>;

fn must(holds: bool, step: &str) {
    assert!(holds, "not so: {step}");
    println!("{step}");
}

fn name(suffix: &str) -> String {
    format!("{NAME}-{suffix}")
}

/// The status and the typed problem of a failure.
fn problem<T, E: Debug>(answer: Result<T, Error<E>>) -> (u16, models::Problem) {
    match answer {
        Err(Error::ResponseError(refused)) => {
            let told = serde_json::from_str(&refused.content).expect("a problem document");
            (refused.status.as_u16(), told)
        }
        Err(error) => panic!("not a problem: {error:?}"),
        Ok(_) => panic!("it did not fail"),
    }
}

async fn call_directly(client: &Configuration) -> Outcome {
    let direct = Configuration { base_path: env::var("STORY_DIRECT")?, ..client.clone() };
    let caller = service_api::get_caller(&direct, None).await?;
    must(caller.name == "admin", "a call without a proxy between is answered");
    Ok(())
}

async fn list_by_pages(client: &Configuration) -> Outcome {
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = networks_api::list_networks(
            client, Some(1), cursor.as_deref(), None, None, None, None, None, None, None, None,
        )
        .await?;
        names.extend(page.items.into_iter().map(|network| network.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    must(names == ["bridge", "host", "none"], "listed three networks by pages of one");
    Ok(())
}

async fn create_with_key(client: &Configuration) -> Result<models::Network, Box<dyn StdError>> {
    let mut body = models::NetworkCreate::new(NAME.into());
    body.labels = Some([("team".to_string(), "edge".to_string())].into());
    let dropped = networks_api::create_network(client, body.clone(), None, Some(NAME)).await;
    let lost = matches!(dropped, Err(Error::Reqwest(_)));
    let made = networks_api::create_network(client, body, None, Some(NAME)).await?;
    must(lost && made.labels["team"] == "edge", "created once, by a retry after a dropped answer");
    Ok(made)
}

async fn fail_in_two_ways(client: &Configuration) {
    let body = models::NetworkCreate::new(NAME.into());
    let (status, told) = problem(networks_api::create_network(client, body, None, None).await);
    must(status == 409 && told.code == "network-name-taken", "a conflict is a typed problem");
    let mut bad = models::NetworkCreate::new(name("2"));
    let mut ipam = models::IpamRequest::new();
    ipam.pools = Some(vec![models::PoolRequest::new("10.77.0.1/24".into())]);
    bad.ipam = Some(Box::new(ipam));
    let (status, told) = problem(networks_api::create_network(client, bad, None, None).await);
    let fault = told.errors.unwrap_or_default().remove(0);
    let pointed = fault.r#in == "body" && fault.pointer.as_deref() == Some("/ipam/pools/0/subnet");
    must(status == 422 && pointed, "a fault is pointed at");
}

async fn dry_run(client: &Configuration) -> Outcome {
    let body = models::NetworkCreate::new(name("2"));
    let would = networks_api::create_network(client, body, Some(true), None).await?;
    let right = would.id.is_none() && would.name == name("2");
    must(right, "a dry run answers the network without an id");
    Ok(())
}

async fn run_container(client: &Configuration, one: String, mode: &str) -> Outcome {
    let mut body = models::ContainerCreate::new("busybox".into());
    body.name = Some(Some(one));
    body.command = Some(vec!["sleep".into(), "600".into()]);
    body.network_mode = Some(Some(mode.into()));
    let made = containers_api::create_container(client, body, None, None).await?;
    let runs = made.id.is_some() && made.state == models::ContainerState::Running;
    must(runs, "a container runs");
    Ok(())
}

async fn connect(client: &Configuration) -> Outcome {
    networks_api::disconnect_container(client, "none", &name("b"), None, None, None).await?;
    let mut body = models::EndpointConnect::new();
    body.aliases = Some(vec!["web".into()]);
    let endpoint = networks_api::connect_container(client, NAME, &name("b"), None, None, Some(body)).await?;
    let joined = endpoint.network.name == NAME && endpoint.aliases.contains(&"web".to_string());
    must(joined, "a container is connected");
    Ok(())
}

async fn check(client: &Configuration, to: &str) -> Result<models::CheckResult, Box<dyn StdError>> {
    let mut source = models::CheckSource::new();
    source.container = Some(name("a"));
    let mut destination = models::CheckDestination::new();
    destination.name = Some(to.into());
    let mut body = models::CheckRequest::new(source, destination);
    body.timeout_ms = Some(500);
    Ok(connectivity_api::check_connectivity(client, body).await?)
}

async fn check_two_ways(client: &Configuration) -> Outcome {
    let good = check(client, &name("b")).await?;
    let reached = good.verdict == models::Verdict::Reachable && good.measured.rtt_ms.is_some();
    must(reached, "a name is reached");
    let bad = check(client, "absent").await?;
    let catalogue = diagnostics_api::list_explanations(client, None, None, None, None).await?;
    let known = catalogue.items.iter().any(|explanation| explanation.code == bad.findings[0].code);
    must(bad.verdict == models::Verdict::Unreachable && known, "an unknown name is explained");
    Ok(())
}

fn matrix_request() -> models::MatrixRequest {
    models::MatrixRequest { network: Some(NAME.into()), ..models::MatrixRequest::new() }
}

/// An answer whose lines are read as they come, by reqwest: generated functions read a whole answer.
struct Lines {
    answer: reqwest::Response,
    rest: String,
}

impl Lines {
    async fn of(request: reqwest::RequestBuilder, client: &Configuration) -> Result<Lines, Box<dyn StdError>> {
        let token = client.bearer_access_token.clone().unwrap_or_default();
        let asked = request.bearer_auth(token).header("Accept", "application/x-ndjson, text/event-stream");
        Ok(Lines { answer: asked.send().await?, rest: String::new() })
    }

    async fn next(&mut self) -> Result<Option<String>, Box<dyn StdError>> {
        loop {
            if let Some((line, rest)) = self.rest.split_once('\n') {
                let line = line.to_string();
                self.rest = rest.to_string();
                return Ok(Some(line));
            }
            match self.answer.chunk().await? {
                Some(chunk) => self.rest.push_str(std::str::from_utf8(&chunk)?),
                None => return Ok(None),
            }
        }
    }
}

async fn measure(client: &Configuration) -> Outcome {
    let matrix = connectivity_api::measure_matrix(client, matrix_request()).await?;
    must(matrix.verdicts[0] == ["self", "reachable"], "a matrix has its rows");
    let url = format!("{}/v1/connectivity/matrix", client.base_path);
    let mut lines = Lines::of(client.client.post(url).json(&matrix_request()), client).await?;
    let mut rows = 0;
    let mut last = models::MatrixLine::default();
    while let Some(line) = lines.next().await? {
        last = serde_json::from_str(&line)?;
        rows += i32::from(last.r#type == "row");
    }
    let whole = rows == 2 && last.r#type == "end" && last.summary.is_some_and(|summary| summary.reachable == 2);
    must(whole, "a matrix streams its rows");
    Ok(())
}

async fn follow(client: &Configuration) -> Outcome {
    let url = format!("{}/v1/events?network={NAME}", client.base_path);
    let mut lines = Lines::of(client.client.get(url), client).await?;
    let changed = client.clone();
    let change = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        networks_api::disconnect_container(&changed, NAME, &name("b"), None, None, None).await
    });
    while let Some(line) = lines.next().await? {
        if let Some(data) = line.strip_prefix("data: ") {
            let event: models::Event = serde_json::from_str(data)?;
            let named = event.network.is_some_and(|network| network.name == NAME);
            must(event.action.as_deref() == Some("disconnect") && named, "an event is typed");
            break;
        }
    }
    change.await??;
    Ok(())
}

async fn read_again(client: &Configuration, made: &models::Network) -> Outcome {
    // A generated function gives no headers, so the ETag is read by reqwest.
    let id = made.id.as_deref().unwrap_or_default();
    let url = format!("{}/v1/networks/{id}", client.base_path);
    let token = client.bearer_access_token.clone().unwrap_or_default();
    let answer = client.client.get(&url).bearer_auth(&token).send().await?;
    let etag = answer.headers()["ETag"].clone();
    let again = client.client.get(&url).bearer_auth(&token).header("If-None-Match", etag).send().await?;
    must(again.status().as_u16() == 304, "nothing new is a 304");
    Ok(())
}

async fn named(client: &Configuration) -> Result<usize, Box<dyn StdError>> {
    let wanted = Some(vec![NAME.to_string()]);
    let page =
        networks_api::list_networks(client, None, None, None, None, None, wanted, None, None, None, None).await?;
    Ok(page.items.len())
}

async fn tidy_up(client: &Configuration) -> Outcome {
    networks_api::delete_network(client, NAME, Some(true), Some(true), None).await?;
    must(named(client).await? == 1, "a dry run deletes nothing");
    for one in ["a", "b"] {
        containers_api::delete_container(client, &name(one), Some(true), None, None).await?;
    }
    networks_api::delete_network(client, NAME, None, None, None).await?;
    must(named(client).await? == 0, "all is removed");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let client = Configuration {
        base_path: env::var("STORY_URL")?,
        bearer_access_token: Some(env::var("STORY_TOKEN")?),
        ..Configuration::new()
    };
    call_directly(&client).await?;
    list_by_pages(&client).await?;
    let network = create_with_key(&client).await?;
    fail_in_two_ways(&client).await;
    dry_run(&client).await?;
    run_container(&client, name("a"), NAME).await?;
    run_container(&client, name("b"), "none").await?;
    connect(&client).await?;
    check_two_ways(&client).await?;
    measure(&client).await?;
    follow(&client).await?;
    read_again(&client, &network).await?;
    tidy_up(&client).await
}
