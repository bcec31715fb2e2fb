//! Every limit is enforced, at its edge, under the name that the caller used.

use super::*;
use secret::Secret;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here";

fn refused(change: impl FnOnce(&mut LeaseRequest)) -> Vec<String> {
    let mut request = LeaseRequest::default();
    change(&mut request);
    let errors = Limits::default()
        .validate_lease(&request)
        .err()
        .unwrap_or_default();
    errors.into_iter().map(|error| error.field).collect()
}

fn exec(command: &str) -> ExecRequest {
    ExecRequest {
        command: command.to_owned(),
        ..ExecRequest::default()
    }
}

fn refused_exec(request: &ExecRequest) -> Vec<String> {
    let errors = Limits::default()
        .validate_exec(request)
        .err()
        .unwrap_or_default();
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn numbers_are_accepted_at_both_edges_and_refused_beyond() {
    type Set = fn(&mut LeaseRequest, u32);
    let fields: [(&str, u32, u32, Set); 4] = [
        ("cores", 1, 8, |request, number| request.cores = number),
        ("memoryMB", 64, 16_384, |request, number| {
            request.memory_mb = number
        }),
        ("diskGB", 1, 200, |request, number| request.disk_gb = number),
        ("runtimeMinutes", 1, 43_200, |request, number| {
            request.runtime_minutes = number
        }),
    ];
    for (field, min, max, set) in fields {
        for good in [min, max] {
            assert!(
                refused(|request| set(request, good)).is_empty(),
                "{field} {good}"
            );
        }
        for bad in [0, min - 1, max + 1, u32::MAX] {
            assert_eq!(refused(|request| set(request, bad)), [field], "{bad}");
        }
    }
}

#[test]
fn a_hostname_is_a_dns_label() {
    let long = "a".repeat(64);
    for bad in [
        "",
        "-a",
        "a-",
        "a.b",
        "a_b",
        "a b",
        "ä",
        "a\n",
        long.as_str(),
    ] {
        assert_eq!(
            refused(|request| request.hostname = Some(bad.to_owned())),
            ["hostname"],
            "{bad:?}"
        );
    }
    for good in ["a", "web-1", "1web", "WEB", &long[..63]] {
        assert!(
            refused(|request| request.hostname = Some(good.to_owned())).is_empty(),
            "{good}"
        );
    }
}

#[test]
fn a_password_is_printable_and_of_a_sane_length() {
    let long = "x".repeat(65);
    for bad in [
        "",
        "1234567",
        "12345678\n",
        "pässword",
        "12345678\u{7f}",
        long.as_str(),
    ] {
        assert_eq!(
            refused(|request| request.password = Some(Secret::new(bad))),
            ["password"],
            "{bad:?}"
        );
    }
    for good in ["12345678", "with a space ~", &long[..64]] {
        assert!(
            refused(|request| request.password = Some(Secret::new(good))).is_empty(),
            "{good}"
        );
    }
}

#[test]
fn an_ssh_key_is_one_line_without_options() {
    let body = KEY.split(' ').nth(1).unwrap();
    for bad in [
        String::new(),
        "ssh-ed25519".to_owned(),
        "ssh-ed25519 AAAA".to_owned(),
        format!("ssh-dss {body}"),
        format!("command=\"sh\" {KEY}"),
        format!("{KEY}\n{KEY}"),
        format!("{KEY}\rmore"),
        KEY.replace("AAAAC3", "BBBBC3"),
        KEY.replace("C3Nz", "C3N!"),
        format!("{KEY}{}", "x".repeat(9000)),
    ] {
        assert_eq!(
            refused(|request| request.ssh_public_key = Some(bad.clone())),
            ["sshPublicKey"],
            "{bad:?}"
        );
    }
    for good in [
        KEY.to_owned(),
        format!("{KEY}\n"),
        format!("{KEY} with words"),
        format!("ssh-ed25519 {body}"),
    ] {
        assert!(
            refused(|request| request.ssh_public_key = Some(good.clone())).is_empty(),
            "{good}"
        );
    }
}

#[test]
fn names_are_printable_and_short() {
    assert_eq!(refused(|request| request.sku = String::new()), ["sku"]);
    assert_eq!(refused(|request| request.sku = "x".repeat(65)), ["sku"]);
    assert_eq!(
        refused(|request| request.template = Some("a\nb".to_owned())),
        ["template"]
    );
    assert_eq!(
        refused(|request| request.requester = Some("x".repeat(129))),
        ["requester"]
    );
}

#[test]
fn every_problem_is_reported_at_once_and_no_secret_is_repeated() {
    let request = LeaseRequest {
        sku: String::new(),
        runtime_minutes: 0,
        hostname: Some("-".to_owned()),
        cores: 0,
        memory_mb: 0,
        disk_gb: 0,
        password: Some(Secret::new("hunter2")),
        ssh_public_key: Some("no key".to_owned()),
        template: Some(String::new()),
        requester: Some(String::new()),
        payload: None,
    };
    let errors = Limits::default().validate_lease(&request).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "sku",
            "runtimeMinutes",
            "cores",
            "memoryMB",
            "diskGB",
            "hostname",
            "password",
            "sshPublicKey",
            "template",
            "requester",
        ]
    );
    assert!(
        errors
            .iter()
            .all(|error| !error.message.contains("hunter2"))
    );
    assert_eq!(errors[3].message, "has to be from 64 to 16384 MiB");
}

#[test]
fn a_renewal_has_the_same_bounds_as_a_lease() {
    let limits = Limits::default();
    assert_eq!(
        limits.validate_renew(&RenewRequest {
            runtime_minutes: 43_200
        }),
        Ok(())
    );
    for bad in [0, 43_201] {
        let errors = limits
            .validate_renew(&RenewRequest {
                runtime_minutes: bad,
            })
            .unwrap_err();
        assert_eq!(errors[0].field, "runtimeMinutes");
    }
}

#[test]
fn a_command_is_bounded_together_with_its_arguments() {
    let room = Limits::default().command_bytes as usize;
    assert!(refused_exec(&exec(&"x".repeat(room))).is_empty());
    assert_eq!(refused_exec(&exec(&"x".repeat(room + 1))), ["command"]);
    assert_eq!(refused_exec(&exec(" ")), ["command"]);
    assert_eq!(refused_exec(&exec("a\0b")), ["command"]);

    let many = ExecRequest {
        extra_args: vec![String::new(); room],
        ..exec("ls")
    };
    assert_eq!(refused_exec(&many), ["extraArgs"]);
    let nul = ExecRequest {
        extra_args: vec!["\0".to_owned()],
        ..exec("ls")
    };
    assert_eq!(refused_exec(&nul), ["extraArgs"]);
    for seconds in [0, 301] {
        let slow = ExecRequest {
            timeout_seconds: Some(seconds),
            ..exec("ls")
        };
        assert_eq!(refused_exec(&slow), ["timeoutSeconds"]);
    }
}

#[test]
fn limits_can_be_changed_one_by_one() {
    let limits: Limits = serde_json::from_str(r#"{"cores":{"min":1,"max":2}}"#).unwrap();
    assert_eq!(
        limits,
        Limits {
            cores: Bounds::new(1, 2),
            ..Limits::default()
        }
    );
    let request = LeaseRequest {
        cores: 3,
        ..LeaseRequest::default()
    };
    assert_eq!(
        limits.validate_lease(&request).unwrap_err()[0].field,
        "cores"
    );
}

#[test]
fn a_commands_surroundings_are_checked_all_at_once() {
    let mut request = ExecRequest {
        command: "true".into(),
        stdin: Some(String::new()),
        stdin_base64: Some(String::new()),
        cwd: Some("etc".into()),
        user: Some("-x".into()),
        background: true,
        timeout_seconds: Some(5),
        ..ExecRequest::default()
    };
    request.env.insert("1A".into(), "a\0".into());
    let refused = Limits::default().validate_exec(&request).unwrap_err();
    let fields: Vec<&str> = refused.iter().map(|found| found.field.as_str()).collect();
    assert_eq!(
        fields,
        ["timeoutSeconds", "stdinBase64", "env", "env", "cwd", "user"]
    );
    let mut large = ExecRequest {
        command: "true".into(),
        ..ExecRequest::default()
    };
    large.env.insert("A".into(), "x".repeat(200 * 1024));
    let refused = Limits::default().validate_exec(&large).unwrap_err();
    assert_eq!(refused[0].field, "env");
    large.env.insert("A".into(), "x".into());
    large.cwd = Some("/var/tmp".into());
    large.user = Some("www-data".into());
    large.stdin_base64 = Some("AA==".into());
    assert!(Limits::default().validate_exec(&large).is_ok());
}
