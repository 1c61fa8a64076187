//! The `vitrail` binary: flags, logging, and which component runs.

mod cli;
mod log;
mod user;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// A crowd leaves the memory that it took: what is free goes back to the system after some seconds, which glibc's does only for the top of
/// its heap. It is quicker, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Without such a thread, memory goes back only while there is work.
    let returns_memory = tikv_jemalloc_ctl::background_thread::write(true);
    let logging = match cli.log.init(cli.command.service()) {
        Ok(logging) => logging,
        Err(error) => return report(Err(error)),
    };
    if let Err(error) = returns_memory {
        tracing::warn!(%error, "memory that is free goes back to the system only while there is work");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Demo(options) => report(vitrail_demo::run(options).await),
            Command::Serve(options) => report(options.serve().await),
            Command::Gate(options) => report(options.gate().await),
            Command::Tablet(options) => report(options.tablet().await),
            Command::Sql(options) => vitrail_shell::run(options).await.into(),
            Command::Bench(options) => match vitrail_load::run(options).await {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => report(Err(error)),
            },
            Command::User(options) => report(user::run(&options)),
        }
    });
    logging.finish();
    code
}

fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&told(&error)),
    }
}

/// The error and its causes, each once: many a text names its cause already.
fn told(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[expect(clippy::print_stderr, reason = "the one place where a command says why it failed")]
fn fail(message: &str) -> ExitCode {
    eprintln!("vitrail: {message}");
    ExitCode::FAILURE
}
