mod container;

use std::collections::HashSet;

use serde_json::json;

use super::*;

fn plan(tool: &str, arguments: &str) -> Result<CallPlan, String> {
    find(tool).unwrap().plan(&ToolCall {
        id: "c1".into(),
        tool: tool.into(),
        arguments: arguments.into(),
    })
}

#[test]
fn every_tool_has_one_name_and_a_closed_schema() {
    let mut names = HashSet::new();
    for tool in &REGISTRY {
        for name in tool.aliases.iter().chain([&tool.name]) {
            assert!(names.insert(*name), "{name} is there twice");
            assert_eq!(find(name).unwrap().name, tool.name);
        }
        let schema = tool.parameters();
        assert_eq!(schema["type"], "object", "{}", tool.name);
        assert_eq!(schema["additionalProperties"], false, "{}", tool.name);
        assert!(schema["properties"].is_object(), "{}", tool.name);
        let text = schema.to_string();
        assert!(!text.contains("$ref"), "{text}");
        for free in ["password", "sku", "requester"] {
            assert!(!text.contains(free), "{text}");
        }
    }
    assert!(find("format_disk").is_none());
}

#[test]
fn a_schema_accepts_the_same_arguments_as_the_reader() {
    let schema = find("lease_container").unwrap().parameters();
    assert_eq!(schema["required"], json!(["runtimeMinutes"]));
    let properties = schema["properties"].as_object().unwrap();
    for (name, property) in properties {
        assert!(property["description"].is_string(), "{name}");
        let integer = ["runtimeMinutes", "cores", "memoryMB", "diskGB"].contains(&name.as_str());
        assert_eq!(
            property["type"].to_string().contains("integer"),
            integer,
            "{name}"
        );
    }
}

#[test]
fn the_request_for_a_lease_is_planned_byte_for_byte() {
    let arguments = r#"{"runtimeMinutes": "90", "cores": 2, "memoryMB": 1024.0, "hostname": "box", "password": "hunter2!",
        "sku": "hunter2!", "requester": "hunter2!"}"#;
    let planned = plan("lease_container", arguments).unwrap();
    assert_eq!(
        (planned.method.as_str(), planned.path.as_str()),
        ("POST", "/lease/container")
    );
    let body = planned.body.as_deref().unwrap();
    assert_eq!(
        body,
        r#"{"sku":"lxc-small","runtimeMinutes":90,"hostname":"box","cores":2,"memoryMB":1024,"diskGB":8}"#
    );
    assert_eq!(
        planned.summary,
        "Lease 2 cores, 1 GiB memory, 8 GiB disk for 90 minutes as box"
    );
    assert!(planned.takes_credential);
}

#[test]
fn wrong_arguments_are_explained_to_the_model() {
    let missing = plan("lease_container", "{}").unwrap_err();
    assert!(missing.contains("runtimeMinutes"), "{missing}");
    let unknown = plan(
        "renew_lease",
        r#"{"ctid": 1, "runtimeMinutes": 5, "gift": true}"#,
    )
    .unwrap_err();
    assert!(unknown.contains("gift"), "{unknown}");
    assert!(
        plan(
            "exec_container_command",
            r#"{"ctid": "box", "command": "ls"}"#
        )
        .is_err()
    );
    assert!(plan("exec_container_command", r#"{"ctid": 100, "command": 7}"#).is_err());
}

#[test]
fn former_names_find_the_current_tool() {
    let planned = plan(
        "exec_lease_command",
        r#"{"ctid": "100", "command": "ls", "extraArgs": null}"#,
    )
    .unwrap();
    assert_eq!(planned.tool, "exec_container_command");
    assert_eq!(planned.path, "/management/exec/100");
    let console = plan(
        "open_lease_console",
        r#"{"ctid": 100, "consoleType": "vnc"}"#,
    )
    .unwrap();
    assert_eq!(console.path, "/management/console/100");
}

#[test]
fn the_model_never_sees_a_credential() {
    let leased = json!({
        "leaseId": "l1", "status": "active", "ctid": 100, "password": "hunter2",
        "price": {"total": "10000", "lines": []}, "expiresAt": "2026-01-01T00:00:00Z",
        "message": "", "ownerWallet": "0xabc", "hostname": "box", "node": "pve",
        "payment": {"transaction": "0x1", "network": "base-sepolia"},
    });
    let seen = find("lease_container").unwrap().view(&leased);
    assert_eq!(seen["paid"], "10000");
    let console = json!({
        "ctid": 100, "ticket": "hunter2", "consoleUrl": "http://h?t=hunter2",
        "websocketUrl": "ws://h?t=hunter2", "type": "terminal", "expiresAt": "2026-01-01T00:00:00Z",
    });
    let seen = find("open_container_console").unwrap().view(&console);
    assert_eq!(seen["type"], "terminal");
    let port = json!({
        "port": 8080, "access": "link", "url": "http://8080-n.localhost/",
        "link": "http://8080-n.localhost/?infra402_access=hunter2",
    });
    let ports = json!({ "ports": [port] });
    let shown = "shown to the customer, not to you";
    let seen = find("expose_port").unwrap().view(&port);
    assert_eq!(seen["linkWithToken"], shown);
    let seen = find("list_ports").unwrap().view(&ports);
    assert_eq!(seen["ports"][0]["linkWithToken"], shown);
    for tool in &REGISTRY {
        let told = tool.summary(&port);
        assert!(!told.contains("hunter2"), "{}: {told}", tool.name);
        for answer in [&leased, &console, &port, &ports] {
            let seen = tool.view(answer).to_string();
            assert!(!seen.contains("hunter2"), "{}: {seen}", tool.name);
        }
    }
    let nested = json!({"a": [{"token": "hunter2", "b": 1}]});
    assert_eq!(without_secrets(nested), json!({"a": [{"b": 1}]}));
}

#[test]
fn long_output_is_cut_for_the_model_and_marked_as_data() {
    let answer = json!({
        "ctid": 100, "exitCode": 0, "stdout": "ü".repeat(10_000), "stderr": "", "output": "",
        "upid": "UPID:x", "timedOut": false, "truncated": false,
    });
    let seen = find("exec_container_command").unwrap().view(&answer);
    let stdout = seen["untrustedOutput"]["stdout"].as_str().unwrap();
    assert!(stdout.len() < 4_100 && stdout.contains("bytes more"));
}

#[test]
fn the_list_says_why_a_container_cannot_be_used() {
    let locked = "Locked because a backup of it is being made.";
    let lease = |ctid: u32, notice: Option<&str>| {
        json!({
            "leaseId": "l", "status": "active", "liveStatus": "running", "notice": notice,
            "ctid": ctid, "hostname": "box", "node": "pve", "sku": "lxc-small",
            "template": "debian", "cores": 1, "memoryMB": 512, "diskGB": 8, "ownerWallet": "0xabc",
            "createdAt": "2026-01-01T00:00:00Z", "paid": "1",
        })
    };
    let answer = json!({"leases": [lease(100, Some(locked)), lease(101, None)]});
    let seen = find("list_managed_containers").unwrap().view(&answer);
    let shown = |ctid: u32| {
        json!({
            "ctid": ctid, "hostname": "box", "status": "active", "liveStatus": "running", "cores": 1,
            "memoryMB": 512, "diskGB": 8,
        })
    };
    let mut expected = json!({"leases": [shown(100), shown(101)]});
    expected["leases"][0]["notice"] = json!(locked);
    assert_eq!(seen, expected);

    // An entry of a later release hides no other one.
    let mut later = lease(102, None);
    later["status"] = json!("hibernated");
    let answer = json!({"leases": [later, lease(101, None)]});
    let list = find("list_managed_containers").unwrap();
    let seen = list.view(&answer);
    assert_eq!(seen, json!({"leases": [shown(101)], "unreadable": 1}));
    assert_eq!(list.summary(&answer), "You have 2 containers.");
}

#[test]
fn of_a_response_with_another_shape_the_plain_members_are_shown() {
    let answer = json!({
        "leaseId": "l", "status": "active", "ctid": 100, "message": "box runs for an hour.",
        "password": "hunter2!", "price": {"total": "1"}, "ticket": "t",
    });
    let tool = find("lease_container").unwrap();
    let plain = json!({
        "leaseId": "l", "status": "active", "ctid": 100, "message": "box runs for an hour.",
    });
    assert_eq!(tool.view(&answer), plain);
    assert_eq!(tool.summary(&answer), "box runs for an hour.");
    assert_eq!(tool.summary(&json!({})), "The lease is being settled.");
    let unread = find("get_node_stats").unwrap().summary(&json!({}));
    assert_eq!(unread, "The lease API's answer could not be read.");
}

#[test]
fn summaries_are_sentences_for_people() {
    let said = |tool: &str, answer: &Value| find(tool).unwrap().summary(answer);
    let quote = |acceptable: bool, total: &str, problems: Value| {
        json!({
            "acceptable": acceptable, "price": {"total": total, "lines": []},
            "network": "base-sepolia", "asset": "0x0", "validUntil": "2026-01-01T00:00:00Z",
            "fieldErrors": problems,
        })
    };
    let good = quote(true, "12300", json!([]));
    assert_eq!(said("quote_lease", &good), "It costs 0.0123 USDC.");
    let problem = json!([{"field": "cores", "message": "has to be from 1 to 8"}]);
    let refused = quote(false, "1", problem);
    assert_eq!(
        said("quote_lease", &refused),
        "It would be refused: cores has to be from 1 to 8."
    );
    let nodes = json!({"nodes": [{"node": "pve", "online": true, "cpu": 0.256, "memoryUsed": 1, "memoryTotal": 4}]});
    assert_eq!(
        said("get_node_stats", &nodes),
        "pve: processor 26 %, memory 25 % in use."
    );
    let held = json!({"paymentId": "p1"});
    assert_eq!(
        said("lease_container", &held),
        "The lease is being settled."
    );
    let usage = |traffic: Value| {
        let answer = json!({
            "leaseId": "l", "ctid": 100, "traffic": traffic, "timeframe": "hour",
        });
        said("get_container_usage", &answer)
    };
    let gib = 1_u64 << 30;
    assert_eq!(
        usage(json!({"sent": gib * 6 / 5, "received": 7, "included": gib * 50, "step": "full"})),
        "Container 100 has sent 1.2 GiB of the 50 GiB that are included."
    );
    assert_eq!(
        usage(json!({"sent": gib * 21, "received": 0, "included": gib * 20, "step": "slowed"})),
        "Container 100 has sent 21 GiB of the 20 GiB that are included. Its network is slowed to 1 Mbit/s until the lease is renewed."
    );
    assert_eq!(
        usage(json!({"sent": gib * 4096, "received": 0, "included": gib * 20, "step": "cut"})),
        "Container 100 has sent 4 TiB of the 20 GiB that are included. Its network is cut off until the lease is renewed."
    );
    assert_eq!(
        usage(json!({"sent": 12, "received": 0, "step": "full"})),
        "Container 100 has sent 12 bytes."
    );
    assert_eq!(
        usage(Value::Null),
        "What the container has sent is not known."
    );
    assert_eq!(minutes(1), "1 minute");
    assert_eq!(minutes(90), "90 minutes");
    assert_eq!(minutes(120), "2 hours");
    assert_eq!(minutes(4320), "3 days");
}

#[test]
fn a_call_for_a_container_names_its_lease_in_its_summary() {
    let lease = SuspendedLease {
        lease_id: "l".into(),
        ctid: 100,
        hostname: "box".into(),
        ip: None,
        expires_at: Some(api_types::Timestamp(1_000 + 90 * 60)),
    };
    let mut bound = 0;
    for tool in &REGISTRY {
        let call = ToolCall {
            id: "c1".into(),
            tool: tool.name.into(),
            arguments: r#"{
                "ctid": 100, "command": "echo container 100", "runtimeMinutes": 60,
                "path": "/srv/container 100", "content": "x", "action": "remove",
                "commandId": "cmd_1", "port": 8080
            }"#
            .into(),
        };
        let mut arguments = serde_json::from_str::<Value>(&call.arguments).unwrap();
        let known = tool.parameters();
        let members = arguments.as_object_mut().unwrap();
        members.retain(|name, _| known["properties"].get(name).is_some());
        let call = ToolCall {
            arguments: arguments.to_string(),
            ..call
        };
        let plan = tool.plan(&call).unwrap();
        assert_eq!(
            plan.ctid.is_some(),
            members_have_ctid(&known),
            "{}",
            tool.name
        );
        if plan.ctid.is_none() {
            continue;
        }
        bound += 1;
        let plan = plan.for_lease(lease.clone(), 1_000);
        let named = "container 100 (box, 90 minutes left)";
        assert!(plan.summary.contains(named), "{}", plan.summary);
        let untrusted = ["`echo container 100`", "`/srv/container 100`"];
        let quoted = plan.summary.contains('`');
        let unchanged = untrusted.iter().any(|text| plan.summary.contains(text));
        assert!(!quoted || unchanged, "{}", plan.summary);
        assert_eq!(plan.suspended().lease, Some(lease.clone()));
    }
    assert_eq!(bound, 19);
}

fn members_have_ctid(schema: &Value) -> bool {
    schema["properties"].get("ctid").is_some()
}

/// Characters that the command line marks as visible are not marked a second time in the sentence.
#[test]
fn a_commands_hidden_characters_are_marked_once_in_its_summary() {
    let planned = plan(
        "exec_container_command",
        r#"{"ctid": 100, "command": "a\u202eb\nc"}"#,
    )
    .unwrap();
    assert_eq!(
        planned.summary,
        "Run `a⟨U+202E⟩b⟨line break⟩c` in container 100"
    );
    assert_eq!(planned.command.as_deref(), Some("a⟨U+202E⟩b\nc"));
}
