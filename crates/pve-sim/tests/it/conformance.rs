//! Drives every row of `docs/PROXMOX-CONFORMANCE.md` against the simulator.

use std::time::{Duration, Instant};

use pve_sim::{Fault, FaultKind, Operation};
use serde_json::{Value, json};

use crate::client::{Node, TestResponse};

const TABLE: &str = include_str!("../../../../docs/PROXMOX-CONFORMANCE.md");

/// Repositories that a row may name as its source.
const SOURCES: &[&str] = &[
    "pve-access-control",
    "pve-cluster",
    "pve-common",
    "pve-container",
    "pve-firewall",
    "pve-guest-common",
    "pve-ha-manager",
    "pve-http-server",
    "pve-manager",
];

/// One row.
#[derive(Debug, Clone)]
struct Row {
    call: String,
    by: String,
    situation: String,
    status: String,
    answer: String,
    source: String,
}

impl Row {
    /// `None` for a line that is no row: text, a table's heading or its rule.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<String> = line
            .replace("\\|", "\0")
            .split('|')
            .map(|cell| cell.trim().replace('\0', "|"))
            .collect();
        let [call, by, situation, status, answer, source] = &cells[..] else {
            panic!("a row has six cells: {line}");
        };
        if call == "Call" || call.starts_with("---") {
            return None;
        }
        Some(Self {
            call: call.trim_matches('`').to_owned(),
            by: by.clone(),
            situation: situation.clone(),
            status: status.clone(),
            answer: answer.clone(),
            source: source.clone(),
        })
    }
}

fn rows() -> Vec<Row> {
    TABLE.lines().filter_map(Row::parse).collect()
}

/// Sets a situation up. Returns the cluster, and the task that `{upid}` stands for.
async fn bring_about(situation: &str) -> Result<(Node, String), String> {
    let node = Node::with(|config| config.nodes = vec!["pve".into(), "pve2".into()]).await;
    if situation == "create killed" {
        let killed = Fault::once(Operation::Create, FaultKind::TaskUnexpectedStatus);
        node.sim.faults().inject(killed);
        let create = node.create(100, &[]).await;
        node.finish(&create).await;
        return Ok((node, String::new()));
    }
    if situation == "being created" {
        node.sim.set_time_scale(1000.0);
        node.create(100, &[]).await;
        return Ok((node, String::new()));
    }
    let (situation, lock) = match situation.split_once(", locked (") {
        Some((situation, lock)) => (situation, lock.strip_suffix(')')),
        None => (situation, None),
    };
    let create = node.create(100, &[]).await;
    node.finish(&create).await;
    let mut upid = create.data().as_str().unwrap_or_default().to_owned();
    let runs = situation.split(", ").any(|part| part == "running");
    let elsewhere = ["moved to pve2", "node away", "out of the pool"];
    if runs || elsewhere.contains(&situation) {
        let start = node
            .call("POST", "/nodes/pve/lxc/100/status/start", &[])
            .await;
        node.finish(&start).await;
    }
    let sim = &node.sim;
    match situation {
        "stopped" | "running" => {}
        "running, ignores shutdown" => sim.ignore_shutdown(100),
        "running, with an address" => sim.set_address(100, "10.9.8.7/24"),
        "high availability, running" | "high availability, stopped" => sim.set_ha(100, true),
        "template" => sim.convert_to_template(100),
        "running, protected" | "stopped, protected" => sim.set_protection(100, true),
        "moved to pve2" => sim.migrate(100, "pve2"),
        "node away" => {
            sim.migrate(100, "pve2");
            sim.set_node_online("pve2", false);
        }
        "out of the pool" => sim.set_pool(100, Some("operators")),
        "firewall services stopped" => sim.set_firewall_running("pve", false),
        "fenced" => fence(&node).await,
        "in a pool below the token's" => sim.set_pool(100, Some("infra402/inner")),
        "task of a node that rebooted" => {
            sim.set_time_scale(1000.0);
            let slow = node
                .call("POST", "/nodes/pve/lxc/100/status/start", &[])
                .await;
            upid = slow.data().as_str().unwrap_or_default().to_owned();
            sim.reboot_node("pve");
        }
        "task with 10000 lines" => {
            let there = sim.tasks().pop().map_or(0, |task| task.log.len());
            sim.add_to_task_log(&upid, (there + 1..=10_000).map(|n| format!("line {n}")));
        }
        unknown => return Err(format!("no situation is called '{unknown}'")),
    }
    if let Some(lock) = lock {
        sim.set_lock(100, Some(lock));
    }
    Ok((node, upid))
}

/// The firewall is on, and the container uses the security group `infra402`.
async fn fence(node: &Node) {
    node.sim.set_firewall(true);
    node.sim.add_security_group("infra402");
    let options = [("enable", "1"), ("ipfilter", "1")];
    let rule = [("type", "group"), ("action", "infra402"), ("enable", "1")];
    for (method, part, params) in [
        ("PUT", "options", &options[..]),
        ("POST", "rules", &rule[..]),
    ] {
        let path = format!("/nodes/pve/lxc/100/firewall/{part}");
        let reply = node.call(method, &path, params).await;
        assert!(reply.data().is_null());
    }
}

/// Makes a row's call in its situation; returns the differences.
async fn drive(row: &Row) -> Result<(), String> {
    let repository = row.source.split(' ').next().unwrap_or_default();
    let file = row.source.split('`').nth(1).unwrap_or_default();
    if !SOURCES.contains(&repository) || file.is_empty() {
        return Err(format!("no source: '{}'", row.source));
    }
    let (node, upid) = bring_about(&row.situation).await?;
    let mut words = row.call.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default().replace("{upid}", &upid);
    let params: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
    let reply = match &*row.by {
        "token" => node.call(method, &path, &params).await,
        "root" => node.as_root(method, &path, &params).await,
        other => return Err(format!("nobody is called '{other}'")),
    };
    if row.status != reply.status.to_string() {
        return Err(format!("status is {}: {}", reply.status, reply.body));
    }
    compare(&node, &reply, &row.answer).await
}

async fn compare(node: &Node, reply: &TestResponse, answer: &str) -> Result<(), String> {
    let differs = |is: &str, wanted: &str| match is == wanted {
        true => Ok(()),
        false => Err(format!("it says '{is}'")),
    };
    let (kind, wanted) = answer.split_once(": ").unwrap_or((answer, ""));
    let data = &reply.body["data"];
    match kind.split(' ').collect::<Vec<_>>()[..] {
        ["message"] => differs(reply.message(), wanted),
        ["reason"] => match reply.body {
            Value::Null => differs(&reply.reason, wanted),
            _ => Err(format!("the body is not empty: {}", reply.body)),
        },
        ["error", name] => {
            let text = reply.body["errors"][name].as_str().unwrap_or_default();
            differs(text.trim_end(), wanted)
        }
        ["task", kind] => {
            let upid = data.as_str().unwrap_or_default();
            differs(upid.split(':').nth(5).unwrap_or_default(), kind)?;
            differs(&exit_of(node, upid).await?, wanted)
        }
        ["count"] => {
            let list = data.as_array();
            let count = list.ok_or_else(|| format!("no list: {data}"))?.len();
            differs(&count.to_string(), wanted)
        }
        ["data"] => {
            let wanted = serde_json::from_str(wanted).map_err(|why| why.to_string())?;
            match contains(data, &wanted) {
                true => Ok(()),
                false => Err(format!("data is {data}")),
            }
        }
        _ => Err(format!("no answer has the form '{answer}'")),
    }
}

async fn exit_of(node: &Node, upid: &str) -> Result<String, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let task = node.sim.tasks().into_iter().find(|task| task.upid == upid);
        let task = task.ok_or_else(|| format!("there is no task '{upid}'"))?;
        if let Some(exit) = task.exit_status {
            return Ok(exit);
        }
        if Instant::now() > deadline {
            return Err(format!("task {upid} does not end"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether all expected values are present: some entry of a list, all keys of an object.
fn contains(data: &Value, wanted: &Value) -> bool {
    match (data, wanted) {
        (Value::Array(data), Value::Array(wanted)) => wanted
            .iter()
            .all(|one| data.iter().any(|there| contains(there, one))),
        (Value::Object(data), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, one)| data.get(key).is_some_and(|there| contains(there, one))),
        _ => data == wanted,
    }
}

#[tokio::test]
async fn every_row_of_the_table_is_what_the_simulator_answers() {
    let rows = rows();
    assert!(rows.len() > 100, "the table has lost rows");
    let mut different = Vec::new();
    for row in &rows {
        if let Err(why) = drive(row).await {
            different.push(format!(
                "{} by {}, {}: {} {}\n    but {why}",
                row.call, row.by, row.situation, row.status, row.answer
            ));
        }
    }
    assert!(different.is_empty(), "\n{}", different.join("\n"));
}

#[tokio::test]
async fn a_row_that_is_wrong_in_any_cell_is_noticed() {
    let row = rows()
        .into_iter()
        .find(|row| row.answer == "message: CT 100 already running")
        .unwrap();
    drive(&row).await.unwrap();
    let wrong = [
        Row {
            status: "501".into(),
            ..row.clone()
        },
        Row {
            answer: "message: CT 100 is running".into(),
            ..row.clone()
        },
        Row {
            answer: "text: CT 100 already running".into(),
            ..row.clone()
        },
        Row {
            situation: "asleep".into(),
            ..row.clone()
        },
        Row {
            situation: "stopped".into(),
            ..row.clone()
        },
        Row {
            by: "guest".into(),
            ..row.clone()
        },
        Row {
            source: "hearsay".into(),
            ..row.clone()
        },
    ];
    for row in wrong {
        assert!(drive(&row).await.is_err(), "{row:?}");
    }
    let lists = json!([{"a": 1, "b": 2}]);
    assert!(contains(&lists, &json!([{"a": 1}])));
    assert!(!contains(&lists, &json!([{"a": 2}])));
    assert!(!contains(&json!([]), &json!([{"a": 2}])));
    assert!(!contains(&json!({"a": 1}), &json!(null)));
}
