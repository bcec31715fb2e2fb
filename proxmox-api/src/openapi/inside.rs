//! The free routes about what is inside a container: the way into it, its background commands and
//! its files.

use api_types::{
    CommandList, CommandOutput, CommandState, CommandView, DirectoryView, ErrorCode, ErrorCode::*,
    FileAction, FileChange, FileKind, FileView, GuestAccess, GuestRoute, Timestamp, WrittenFile,
    commands::LONGEST_WAIT,
};
use serde_json::{Value, json};
use service::openapi::{Content, DocumentedResponse, Endpoint};

use super::{
    examples,
    route_parts::{ABOUT_LEASE, WalletSession as _},
};

/// What all of these routes can be refused for.
const ABOUT_SSH: &[ErrorCode] = &[
    SshUnavailable,
    HypervisorError,
    HypervisorUnavailable,
    InvalidRequest,
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut all = access();
    all.extend(commands());
    all.extend(files());
    all
}

fn route(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Endpoint {
    Endpoint::new(method, path, summary)
        .named("Inside", id)
        .in_path(
            "lease",
            text(),
            "The lease's id, or its container's number.",
        )
        .refuses(ABOUT_LEASE)
        .refuses(ABOUT_SSH)
        .with_session()
        .limited()
}

fn text() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn path_schema() -> Value {
    json!({"type": "string", "pattern": r"^/[^\x00]*$", "maxLength": 1023})
}

fn bytes() -> Value {
    json!({"type": "string", "format": "binary"})
}

/// A move needs a new path, and a new directory has none.
fn change_schema() -> Value {
    let of = |action: FileAction, properties: Value, required: Value| {
        let mut schema = json!({
            "type": "object", "additionalProperties": false, "properties": properties, "required": required,
        });
        schema["properties"]["action"] = json!({"const": action});
        schema
    };
    json!({"oneOf": [
        of(
            FileAction::MakeDirectory,
            json!({"path": path_schema()}),
            json!(["action", "path"]),
        ),
        of(
            FileAction::Move,
            json!({"path": path_schema(), "to": path_schema()}),
            json!(["action", "path", "to"]),
        ),
    ]})
}

fn access() -> Vec<Endpoint> {
    let access = GuestAccess {
        via: GuestRoute::Ssh,
        reason: None,
        can_set_up: false,
        temporary: false,
    };
    let path = "/lease/{lease}/access";
    vec![
        route("GET", path, "readAccess", "The way into a lease's container")
            .details("Tries SSH anew. The lease's own view shows what was found out last.")
            .responds(200, "The way that is used now.", &access),
        route("POST", path, "setUpSsh", "Sets SSH up in a lease's container")
            .details(
                "For a container whose template has no SSH server, or that was leased before this service used SSH: installs the \
                 distribution's server over the terminal, if there is none, and lays the service's key.",
            )
            .responds(200, "It is done.", &access)
            .responds(202, "The container still installs its server; ask again in a minute.", &access)
            .refuses(&[ConsoleInUse, ConsoleAuthUnsupported, Internal]),
    ]
}

fn commands() -> Vec<Endpoint> {
    let view = CommandView {
        command_id: "cmd_3f9a6c2e81b04d7755aa".into(),
        command: "make release".into(),
        state: CommandState::Running,
        exit_code: None,
        started_at: Timestamp(examples::NOW),
        ended_at: None,
        stdout_bytes: 12,
        stderr_bytes: 0,
    };
    let output = CommandOutput {
        command: view.clone(),
        stdout: "Compiling…\n".into(),
        stderr: String::new(),
        stdout_base64: None,
        stderr_base64: None,
        stdout_offset: 12,
        stderr_offset: 0,
    };
    let offset = || json!({"type": "integer", "minimum": 0, "default": 0});
    let list = CommandList {
        commands: vec![view.clone()],
    };
    let one = "/lease/{lease}/commands/{id}";
    vec![
        route(
            "GET",
            "/lease/{lease}/commands",
            "listCommands",
            "The background commands of a container",
        )
        .details("`POST /management/exec/{ctid}` with `background` begins one.")
        .responds(200, "The commands, the youngest first.", &list),
        route(
            "GET",
            one,
            "readCommand",
            "A background command and its output",
        )
        .in_path("id", text(), "The command's id.")
        .in_query(
            "stdoutOffset",
            offset(),
            "From which byte of standard output on.",
        )
        .in_query(
            "stderrOffset",
            offset(),
            "From which byte of standard error on.",
        )
        .in_query(
            "waitSeconds",
            json!({"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "default": 0}),
            "How long to wait for output beyond the offsets, or for the command's end.",
        )
        .responds(
            200,
            "The command, and at most 64 KiB of each output.",
            &output,
        )
        .refuses(&[CommandNotFound]),
        route(
            "DELETE",
            one,
            "signalCommand",
            "Sends a background command a signal",
        )
        .details("All processes of its group get it. What has ended stays as it is.")
        .in_path("id", text(), "The command's id.")
        .in_query(
            "signal",
            json!({"type": "string", "enum": ["TERM", "INT", "HUP", "KILL", "USR1", "USR2"], "default": "TERM"}),
            "The signal; `TERM` if absent.",
        )
        .responds(200, "The command after it.", &view)
        .refuses(&[CommandNotFound]),
    ]
}

fn files() -> Vec<Endpoint> {
    let file = FileView {
        name: "app.tar.gz".into(),
        kind: FileKind::File,
        size: 1_048_576,
        mode: "644".into(),
        modified_at: Some(Timestamp(examples::NOW)),
    };
    let directory = DirectoryView {
        path: "/srv".into(),
        entries: vec![file],
        truncated: false,
    };
    let written = WrittenFile {
        path: "/srv/app.tar.gz".into(),
        size: 1_048_576,
        sha256: "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58".into(),
    };
    let change = FileChange {
        action: FileAction::Move,
        path: "/srv/app.tar.gz".into(),
        to: Some("/srv/app-1.tar.gz".into()),
    };
    let path = "/lease/{lease}/files";
    let about_files = &[FileNotFound, FileConflict, RateLimited];
    let octets = || Content::plain("application/octet-stream", bytes());
    vec![
        route("GET", path, "readFile", "A file or directory of a container")
            .details(
                "A directory is listed as JSON, 10,000 entries at most. A file's content is sent as it is; `Range` with one range is \
                 understood. `about=true` tells what the path is instead.",
            )
            .needs_query("path", path_schema(), "The absolute path.")
            .in_query("about", json!({"type": "boolean", "default": false}), "What the file is, in place of its content.")
            .responds(200, "The directory, what the path is, or the file's content.", &directory)
            .responds_as(DocumentedResponse::new(206, "A part of the file.").with_content(octets()))
            .responds_nothing(416, "The file is not that long.")
            .refuses(about_files),
        route("PUT", path, "writeFile", "Writes a file of a container")
            .details(
                "The body is the content, of any size. It is written beside the path and renamed when it is whole: a request that \
                 breaks off leaves the file as it was.",
            )
            .needs_query("path", path_schema(), "The absolute path.")
            .in_query("mode", json!({"type": "string", "pattern": "^[0-7]{1,4}$"}), "Permissions in octal digits; those of the file before, or 644.")
            .in_query("parents", json!({"type": "boolean", "default": false}), "Whether missing directories above it are made.")
            .takes_content(octets())
            .responds(200, "What was written.", &written)
            .refuses(about_files)
            .refuses(&[DiskFull]),
        route("POST", path, "changeFile", "Makes a directory, or moves a file")
            .takes_content(Content::plain("application/json", change_schema()).with_example(json!(change)))
            .responds_nothing(204, "It is done.")
            .refuses(about_files)
            .refuses(&[DiskFull]),
        route("DELETE", path, "removeFile", "Removes a file or directory of a container")
            .needs_query("path", path_schema(), "The absolute path.")
            .in_query("recursive", json!({"type": "boolean", "default": false}), "Whether a directory goes with all that is in it.")
            .responds_nothing(204, "It is gone.")
            .refuses(about_files),
    ]
}
