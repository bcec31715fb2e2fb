//! Proxmox's refusals, as they arrive over HTTP.

use pve::{ApiCall, Error, Refusal};

use crate::mock::{Mock, MockResponse};

async fn refusal(status: &str, body: &str) -> Error {
    let mock = Mock::always(MockResponse::status(status, body)).await;
    mock.client()
        .start(&"pve".parse().unwrap(), "101".parse().unwrap())
        .await
        .unwrap_err()
}

fn parts(error: &Error) -> (u16, Refusal, String) {
    match error {
        Error::Refused {
            status,
            kind,
            message,
            call,
            ..
        } => {
            let expected = ApiCall {
                method: http::Method::POST,
                path: "/nodes/pve/lxc/101/status/start".into(),
            };
            assert_eq!(**call, expected);
            (*status, kind.clone(), message.clone())
        }
        other => panic!("not a refusal: {other}"),
    }
}

#[tokio::test]
async fn every_shape_of_an_error_gives_its_status_kind_and_text() {
    let table = [
        (
            "401 Authentication failed!",
            "",
            Refusal::Unauthorized,
            "Authentication failed!",
        ),
        (
            "403 Permission check failed (/vms/101, VM.PowerMgmt)",
            "{\"data\":null,\"message\":\"Permission check failed (/vms/101, VM.PowerMgmt)\\n\"}",
            Refusal::Forbidden {
                path: "/vms/101".into(),
                privileges: vec!["VM.PowerMgmt".into()],
            },
            "Permission check failed (/vms/101, VM.PowerMgmt)",
        ),
        (
            "500 CT 101 already running",
            "{\"data\":null,\"message\":\"CT 101 already running\\n\"}",
            Refusal::AlreadyRunning,
            "CT 101 already running",
        ),
        // Before 2025 the body had no text; the text was only in the status line.
        (
            "500 CT is locked (create)",
            "{\"data\":null}",
            Refusal::Locked("create".into()),
            "CT is locked (create)",
        ),
        (
            "500 CT 101 not running",
            "",
            Refusal::NotRunning,
            "CT 101 not running",
        ),
        (
            "500 something new",
            "{\"data\":null,\"message\":\"something new\\n\"}",
            Refusal::Other,
            "something new",
        ),
        (
            "501 Method 'POST /nodes/pve/lxc/101/status/start' not implemented",
            "{\"data\":null}",
            Refusal::NotImplemented,
            "Method 'POST /nodes/pve/lxc/101/status/start' not implemented",
        ),
        (
            "400 Bad Request",
            "<html>plain HTTP sent to an HTTPS port</html>",
            Refusal::Validation,
            "Bad Request",
        ),
        (
            "301 Moved Permanently",
            "",
            Refusal::Other,
            "the server redirects: check the scheme, host and port of the address",
        ),
    ];
    for (status, body, kind, message) in table {
        let code: u16 = status[..3].parse().unwrap();
        assert_eq!(
            parts(&refusal(status, body).await),
            (code, kind, message.to_owned()),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_validation_error_names_every_field() {
    let body = r#"{"data":null,"message":"Parameter verification failed.\n","errors":{"hostname":"invalid format - value does not look like a valid DNS name\n","cores":"value must have a maximum value of 8192"}}"#;
    let error = refusal("400 Parameter verification failed.", body).await;
    let Error::Refused { kind, fields, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*kind, Refusal::Validation);
    assert_eq!(
        fields["hostname"],
        "invalid format - value does not look like a valid DNS name"
    );
    assert_eq!(fields["cores"], "value must have a maximum value of 8192");
    assert_eq!(
        error.safe_text(),
        "POST /nodes/pve/lxc/101/status/start: refused with 400: Parameter verification failed.; \
         cores: value must have a maximum value of 8192; \
         hostname: invalid format - value does not look like a valid DNS name"
    );
    assert!(!error.may_have_executed());
}

#[tokio::test]
async fn a_credential_that_the_server_echoes_is_not_told() {
    let body = r#"{"data":null,"message":"bad token PVEAPIToken=lease@pve!svc=s3cr3t-value","errors":{"x":"s3cr3t-value"}}"#;
    let error = refusal("500 bad s3cr3t-value", body).await;
    for text in [error.safe_text(), error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    let mock = Mock::always(MockResponse::json("\"s3cr3t-value\"")).await;
    let error = mock.client().version().await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("s3cr3t"), "{error}");
    assert!(!format!("{:?}", mock.client()).contains("s3cr3t"));
}

#[tokio::test]
async fn a_result_of_another_shape_is_told_apart_from_no_result() {
    let mock = Mock::always(MockResponse::json(r#"{"data":{"upid":7}}"#)).await;
    let error = mock
        .client()
        .start(&"pve".parse().unwrap(), "101".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    assert!(error.may_have_executed());
}

#[tokio::test]
async fn empty_lists_and_lone_values_are_read_in_the_spellings_of_proxmox() {
    let mock = Mock::start(
        |_, seen| match seen.line.split(['?', ' ']).nth(1).unwrap() {
            "/api2/json/cluster/nextid" => MockResponse::json(r#"{"data":"105"}"#),
            "/api2/json/nodes/pve/lxc/101/interfaces" => MockResponse::json(r#"{"data":null}"#),
            "/api2/json/pools" => MockResponse::json(
                r#"{"data":[{"poolid":"infra402","members":[
                {"id":"lxc/101","vmid":101,"node":"pve","type":"lxc","status":"unknown"},
                {"id":"storage/pve/local","type":"storage","node":"pve"}]}]}"#,
            ),
            "/api2/json/nodes/pve/lxc/101/config" => MockResponse::json(r#"{"data":null}"#),
            other => panic!("{other}"),
        },
    )
    .await;
    let client = mock.client();
    let node = "pve".parse().unwrap();
    let vmid = "101".parse().unwrap();
    assert_eq!(client.next_id(None).await.unwrap().get(), 105);
    assert_eq!(client.interfaces(&node, vmid).await.unwrap(), []);
    let pool = client.pool("infra402").await.unwrap();
    assert_eq!(pool.members.len(), 1);
    assert_eq!(pool.members[0].vmid, Some(vmid));
    client
        .update_config(&node, vmid, &[("tags", "a")])
        .await
        .unwrap();
}
