//! Stopping the daemon, and starting it again.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use zccache_core::protocol::{Request, Status};

use crate::client::{Client, CommandError};
use crate::{mount, process};

/// How long to wait for a daemon to write what it has in flight.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for compilers: the longest compiles take minutes.
const PATIENCE_WITH_COMPILERS: Duration = Duration::from_secs(600);

/// How long to wait between two looks at running compilers.
const PAUSE: Duration = Duration::from_millis(50);

/// Unmounts the lasting views, then stops the daemon if one runs.
pub(crate) fn stop() -> Result<(), CommandError> {
    let Some(mut client) = Client::connect()? else { return Ok(()) };
    let status = client.status()?;
    refuse_private(&status)?;
    unmount_all(&mut client, &mut VecDeque::new())?;
    end(client, &status)
}

/// Waits until no compiler runs, stops the daemon, starts it, and mounts again
/// what was mounted. A view that is in use is not taken away: then all stays as it was.
pub(crate) fn restart() -> Result<(), CommandError> {
    let Some(mut client) = Client::connect()? else {
        return Client::connect_or_start().map(drop);
    };
    let status = wait_for_compilers(&mut client)?;
    refuse_private(&status)?;
    let mut unmounted = VecDeque::new();
    let result = unmount_all(&mut client, &mut unmounted).and_then(|()| end(client, &status));
    if result.is_ok() {
        Client::connect_or_start()?;
    }
    for view in unmounted {
        mount::lasting(&view)?;
    }
    result
}

fn wait_for_compilers(client: &mut Client) -> Result<Status, CommandError> {
    let patience = Instant::now() + PATIENCE_WITH_COMPILERS;
    let mut said = false;
    loop {
        let status = client.status()?;
        match status.running {
            0 => return Ok(status),
            running if Instant::now() > patience => return Err(CommandError::Building(running)),
            running if !said => eprintln!("zccache: waiting for {running} running compilers"),
            _ => {}
        }
        said = true;
        std::thread::sleep(PAUSE);
    }
}

/// Nobody but their command can unmount private views.
fn refuse_private(status: &Status) -> Result<(), CommandError> {
    match status.views.iter().find(|view| view.private) {
        None => Ok(()),
        Some(view) => Err(CommandError::Refused(format!(
            "'zccache run' shows a view of {}; let its command end first",
            view.directory
        ))),
    }
}

/// Unmounts the lasting views. What has been unmounted is noted in the order in
/// which it is to be mounted again.
fn unmount_all(client: &mut Client, unmounted: &mut VecDeque<PathBuf>) -> Result<(), CommandError> {
    // The last may cover others, which the daemon tells of once they are seen again.
    while let Some(view) = last_view(&client.status()?) {
        mount::unmount(&view, false)?;
        unmounted.push_front(view);
    }
    Ok(())
}

fn last_view(status: &Status) -> Option<PathBuf> {
    let last = status.views.iter().rfind(|view| !view.private);
    last.map(|view| view.directory.as_path().to_owned())
}

fn end(mut client: Client, status: &Status) -> Result<(), CommandError> {
    let daemon = process::process_descriptor(status.pid).map_err(CommandError::System)?;
    client.order(&Request::Stop)?;
    match process::ends_within(&daemon, PATIENCE) {
        true => Ok(()),
        false => Err(CommandError::Refused("the daemon is still writing results".into())),
    }
}
