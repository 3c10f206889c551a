//! `tidegate drill run FILE`: the rails, the load, the play, and what ends it early.

use std::time::Duration;

use clap::Args;

use super::{
    super::{
        args::{Acting, Global, Overrides},
        context::Context,
        exit::{Code, Failure, Result},
        out::Out,
        play::{self, Stage},
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
    journal::PlayReading,
    play::{Book, Came},
    playbook::PlayEvent,
    provider::{Clock, SystemClock},
};

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
        code = to_the_end(&stage, out) => code,
        never = watch(&stage, &drill.abort) => never,
    }
}

/// Plays it. A drill waits for nobody: while a person is waited for, nobody measures, and a node is out. What is held is
/// given up, once.
async fn to_the_end(stage: &Stage, out: Out) -> Result<Code> {
    let mut came = stage.perform().await;
    let Book { plays, play, holder, .. } = &stage.player.book;
    if let Came::Held(why) = &came
        && PlayReading::of(&**plays, play).await?.state.given_up.is_none()
    {
        let why = format!("a drill waits for nobody: {why}");
        plays.tell_play(play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?;
        plays.take_play(play, holder, SystemClock.now()).await?;
        came = stage.perform().await;
    }
    stage.tell(out, &came).await
}

/// Gives the drill up as soon as something says so. It never ends by itself: the play does.
async fn watch(stage: &Stage, limits: &crate::playbook::model::Abort) -> Result<Code> {
    loop {
        tokio::time::sleep(LOOK).await;
        let why = match &mut *stage.closing.meter.lock().await {
            Some(meter) => match meter.over().await {
                Some(why) => Some(why),
                None => abort::against(limits, &meter.moment()),
            },
            None => None,
        };
        if let Some(why) = why {
            let play = &stage.player.book.play;
            stage.context.plays.tell_play(play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?;
            return std::future::pending().await;
        }
    }
}
