//! `tidegate drill run FILE`: the rails, the load, the play, and what ends it early.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        args::{Acting, Global, Overrides},
        context::Context,
        exit::{Code, Failure, Result},
        out::Out,
        play::{self, Signals, Stage},
        playbook::{Asked, outline, read, waves},
    },
    rails::{Consent, Target, bearable, sendable},
};
use crate::{
    drill::{
        abort,
        meter::{Meter, Reach},
        watch::Subject,
    },
    play::Came,
    playbook::PlayEvent,
    provider::{Clock, SystemClock},
};

/// How often a drill that is held or stopped goes on with its end: a hold, and a signal in the middle of that.
const AGAIN: u32 = 2;
/// How long a journal is asked that cannot be written.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks at what ends a drill.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    #[command(flatten)]
    asked: Asked,
    /// Consent to break this node or host; a drill that breaks something is not played without
    #[arg(long = "break", value_name = "NODE")]
    pub(super) consent: Option<String>,
    #[command(flatten)]
    pub(super) overrides: Overrides,
    #[command(flatten)]
    pub(super) acting: Acting,
}

/// Plays a drill.
pub(super) async fn command(global: &Global, out: Out, args: Run) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let playbook = read(&args.asked, &context.settings)?;
    let Some(drill) = playbook.drill.clone() else {
        return Err(Failure::usage(format!("{} is no drill", playbook.name))
            .next(format!("`tidegate playbook run {}` carries it out.", args.asked.file.display())));
    };
    let waves = waves(&context, &playbook).await?;
    let target = Target::of(&playbook, &waves)?;
    out.say(&format!("{}\n{}", drill.hypothesis, outline(&playbook, &waves)));
    let consent = Consent::wanted(&args, &playbook, &target)?;
    bearable(&context, &playbook, &target, &args).await?;
    sendable(&context, &playbook).await?;
    if consent != Consent::Given {
        consent.ask(&playbook, &target)?;
        // What was seen before the question is old by now.
        bearable(&context, &playbook, &target, &args).await?;
    }
    let signals = Signals::listen();
    let (play, opening) = play::open(&context, playbook, waves, &args.acting, args.overrides.list).await?;
    out.say(&format!("{play}: `tidegate drill stop {play}` ends it at once"));
    let stage = Stage::set(global, out, context, play.clone(), &opening).await?;
    let reach = Reach {
        world: stage.survey.world.clone(),
        topology: stage.survey.topology.clone(),
        settings: stage.context.settings.clone(),
        access: stage.context.others(),
    };
    let subject = Subject { node: target.routed(), instance: target.instance(), service: drill.service.clone() };
    match Meter::start(&reach, &drill, &subject).await {
        Ok(meter) => *stage.closing.meter.lock().await = Some(meter),
        Err(why) => stage.context.plays.tell_play(&play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?,
    }
    tokio::select! {
        code = to_the_end(&stage, out, signals) => code,
        never = watch(&stage, out, &drill.abort) => never,
    }
}

/// Plays it until it is over. The first signal gives it up: what is broken must not stay so because a person pressed a key.
/// The second one ends the program where it is.
async fn to_the_end(stage: &Stage, out: Out, signals: Signals) -> Result<Code> {
    let came = tokio::select! {
        came = played(stage, out) => came,
        () = told_twice(stage, out, signals) => Came::Stopped("told to stop twice".into()),
    };
    stage.leave().await;
    stage.tell(out, &came).await
}

/// A drill waits for nobody: while a person is waited for, nobody measures, and a node is out. What is held is given up,
/// and so is a run that a signal stopped.
async fn played(stage: &Stage, out: Out) -> Came {
    let never = CancellationToken::new();
    let mut came = stage.player.perform(&never).await;
    for _ in 0..AGAIN {
        match &came {
            Came::Ended(_) => break,
            Came::Held(why) => _ = give_up(stage, out, &format!("a drill waits for nobody: {why}")).await,
            Came::Stopped(why) => _ = give_up(stage, out, why).await,
        }
        came = stage.player.perform(&never).await;
    }
    came
}

async fn told_twice(stage: &Stage, out: Out, mut signals: Signals) {
    signals.next().await;
    out.say(
        "told to stop: the drill is given up, what is broken is mended and what is out comes back; once more ends the \
         program at once",
    );
    // The second one counts also while the first cannot be written down.
    tokio::select! {
        () = signals.next() => {}
        () = async {
            give_up(stage, out, "told to stop by a signal").await;
            std::future::pending().await
        } => {}
    }
}

/// Writes down that it is given up: a journal that refuses once must not keep a fault alive. One that refuses for
/// [`PATIENCE`] is told, and the timer ends the fault.
async fn give_up(stage: &Stage, out: Out, why: &str) -> bool {
    let began = Instant::now();
    while let Err(failure) = stage.give_up(why).await {
        if began.elapsed() >= PATIENCE {
            let text = "it cannot be written down that the drill is given up, so its timer ends what is broken";
            out.say(&format!("{text}: {}", failure.message));
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// Gives the drill up as soon as something says so. It never ends by itself: the play does.
async fn watch(stage: &Stage, out: Out, limits: &crate::playbook::model::Abort) -> Result<Code> {
    loop {
        tokio::time::sleep(LOOK).await;
        let why = match &mut *stage.closing.meter.lock().await {
            Some(meter) => match meter.over().await {
                Some(why) => Some(why),
                None => abort::against(limits, &meter.moment()),
            },
            None => None,
        };
        if let Some(why) = why
            && give_up(stage, out, &why).await
        {
            return std::future::pending().await;
        }
    }
}
