//! `infra402 cp`: copies files and directories into a container or out of it.

use serde_json::json;

use super::{exec, show};
use crate::{
    api::Api,
    arguments::CopyArguments,
    containers,
    failure::{ExitStatus, Failure},
    printed::bytes,
    transfer::{Copied, Endpoint, download, remote::RemoteFiles, upload},
};

/// The arguments of one command that is run to compare, in bytes; the API takes 64 KiB.
const ARGUMENTS: usize = 32 * 1024;

pub(super) async fn run(api: &Api, arguments: &CopyArguments) -> Result<u8, Failure> {
    let source: Endpoint = arguments.source.parse()?;
    let target: Endpoint = arguments.target.parse()?;
    let copied = match (&source, &target) {
        (Endpoint::Container { container, path }, _) if !target.is_container() => {
            let container = containers::find_for_ssh(api, container).await?;
            let files = RemoteFiles { api, container };
            let copied = download::run(&files, path, &target).await?;
            if arguments.check {
                compare(&files, &copied).await?;
            }
            copied
        }
        (_, Endpoint::Container { container, path }) if !source.is_container() => {
            let container = containers::find_for_ssh(api, container).await?;
            upload::run(&RemoteFiles { api, container }, &source, path).await?
        }
        _ => {
            let message =
                "one of SOURCE and TARGET has to be in a container, CONTAINER:/path, and one here";
            return Err(Failure::usage(message));
        }
    };
    for skipped in &copied.skipped {
        api.settings.progress(&format!("skipped: {skipped}"));
    }
    let whole = copied.skipped.is_empty();
    let to_stdout = matches!(target, Endpoint::Standard);
    let document = json!({
        "files": copied.files.len(), "bytes": copied.bytes(), "skipped": copied.skipped,
        "checked": arguments.check || !source.is_container(),
    });
    let count = match copied.files.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let text = format!("{count}, {}", bytes(copied.bytes()));
    match to_stdout {
        true => api.settings.progress(&text),
        false => drop(show(api, &document, || Ok(text))?),
    }
    Ok(if whole {
        0
    } else {
        ExitStatus::Failed.number()
    })
}

/// Has the container compute the digests of what came out of it.
async fn compare(files: &RemoteFiles<'_>, copied: &Copied) -> Result<(), Failure> {
    let mut rest = &copied.files[..];
    while !rest.is_empty() {
        let mut room = ARGUMENTS;
        let fitting = rest.iter().take_while(|file| {
            let fits = room > file.remote.len();
            room = room.saturating_sub(file.remote.len() + 1);
            fits
        });
        let (now, later) = rest.split_at(fitting.count().max(1));
        rest = later;
        let request = api_types::ExecRequest {
            command: "sha256sum --".to_owned(),
            extra_args: now.iter().map(|file| file.remote.clone()).collect(),
            timeout_seconds: Some(300),
            ..api_types::ExecRequest::default()
        };
        let answer = exec::captured(files.api, &files.container, &request).await?;
        // A line begins with a backslash where the file's name has such characters.
        let digests = answer
            .stdout
            .lines()
            .map(|line| line.trim_start_matches('\\'));
        let mut digests = digests.map(|line| line.get(..64));
        for file in now {
            if digests.next().flatten() != Some(file.sha256.as_str()) {
                let message = format!("{} has another content in the container", file.remote);
                return Err(Failure::new(ExitStatus::Failed, "not_the_same", message));
            }
        }
    }
    Ok(())
}
