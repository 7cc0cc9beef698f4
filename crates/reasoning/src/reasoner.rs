//! The room's one door: answers the `Model` port with what the deployment brought.
//!
//! Does not know files: the roof reads them and hands over names and texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sinew_contract::{Ask, Entry, ErrorKind, Failure, Model, Proposal};

use crate::alert;
use crate::attempt::Attempt;
use crate::books::{Books, Keeper, Outside};
use crate::cache::Cache;
use crate::catalogue::{Catalogue, Limit, Step};
use crate::check::{Fit, Schemas};
use crate::health::Health;
use crate::ladder::{Climbed, Rung, climb};
use crate::ledger::{Amount, Ledger};
use crate::load::LoadError;
use crate::model_rung::{Common, ModelRung};
use crate::providers::wire;
use crate::rules::RulesRung;
use crate::templates::TemplateRung;
use crate::transport::Endpoint;

/// Gives the secret behind a reference (`env:NAME`, `file:PATH`).
pub type Secrets<'s> = &'s dyn Fn(&str) -> Result<String, Failure>;

/// Answers questions from the deployment's decision tables, models and templates.
pub struct Reasoner {
    /// Rungs without a provider, by name.
    own: BTreeMap<&'static str, Arc<dyn Rung>>,
    /// The ladder of a role that has none of its own.
    usual: Vec<Arc<dyn Rung>>,
    ladders: BTreeMap<String, Vec<Arc<dyn Rung>>>,
    /// Every model by its name, for questions that name one.
    models: BTreeMap<String, Arc<dyn Rung>>,
    common: Option<Arc<Common>>,
    schemas: Schemas,
    names: Names,
}

/// What a playbook may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Decision tables, sorted.
    pub rules: Vec<String>,
    /// Templates, sorted.
    pub templates: Vec<String>,
}

impl Reasoner {
    /// Loads a deployment's tables and templates, each a pair of file name (for messages) and text.
    ///
    /// All of them are checked whole; the first that is wrong refuses the deployment.
    ///
    /// # Errors
    /// With the file and the place in it.
    pub fn load(tables: &[(String, String)], templates: &[(String, String)]) -> Result<Self, LoadError> {
        let rules = RulesRung::load(tables)?;
        let templates = TemplateRung::load(templates)?;
        let names = Names { rules: rules.names(), templates: templates.names() };
        let own: [(&'static str, Arc<dyn Rung>); 2] = [("rules", Arc::new(rules)), ("template", Arc::new(templates))];
        let usual = own.iter().map(|(_, rung)| Arc::clone(rung)).collect();
        Ok(Self {
            own: BTreeMap::from(own),
            usual,
            ladders: BTreeMap::new(),
            models: BTreeMap::new(),
            common: None,
            schemas: Schemas::default(),
            names,
        })
    }

    /// Gives it the models of the deployment. The keeper is to be run beside it: without it no call goes out.
    ///
    /// # Errors
    /// `Invalid` for an address, header or ladder that is not right; `Missing` for a key that cannot be had.
    pub fn with_models(
        mut self,
        catalogue: &Catalogue,
        secrets: Secrets<'_>,
        outside: &Outside,
    ) -> Result<(Self, Keeper), Failure> {
        let (books, keeper) = Books::open(outside.clone(), Ledger::new(catalogue.budgets.clone()));
        let common = Arc::new(Common { books, health: Health::default(), cache: Cache::default() });
        let mut endpoints = BTreeMap::new();
        for name in catalogue.providers.keys() {
            endpoints.insert(name.clone(), Arc::new(endpoint(catalogue, name, secrets, outside)?));
        }
        let rung = |name: &String, deadline| model_rung(catalogue, &endpoints, &common, name, deadline);
        for name in catalogue.models.keys() {
            self.models.insert(name.clone(), rung(name, crate::catalogue::DEADLINE)?);
        }
        for (role, steps) in &catalogue.ladders {
            let one = |step: &Step| match step {
                Step::Model(name, deadline) => rung(name, *deadline),
                Step::Own(name) => self.own(role, name),
            };
            let ladder = steps.iter().map(one).collect::<Result<_, _>>()?;
            self.ladders.insert(role.clone(), ladder);
        }
        self.common = Some(common);
        Ok((self, keeper))
    }

    fn own(&self, role: &str, name: &str) -> Result<Arc<dyn Rung>, Failure> {
        let known = || self.own.keys().copied().collect::<Vec<_>>().join("`, `");
        let problem = || format!("the ladder of `{role}` names a rung `{name}`; there are `{}`, and models", known());
        self.own.get(name).map(Arc::clone).ok_or_else(|| Failure::new(ErrorKind::Invalid, problem()))
    }

    /// What a playbook may name in `rules` and `template`.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Reads an entry of the log, in order: what was used counts on after a restart.
    pub fn observe(&self, entry: &Entry) {
        if let Some(common) = &self.common {
            common.books.ledger.observe(entry);
        }
    }

    /// All entries from before this process have been observed.
    pub fn recovered(&self) {
        if let Some(common) = &self.common {
            common.books.ledger.recovered();
        }
    }

    /// What models have used today and this month (UTC), reservations of calls under way included.
    pub fn used(&self) -> (Amount, Amount) {
        let of = |common: &Arc<Common>| common.books.ledger.used(common.books.outside.clock.now().wall);
        self.common.as_ref().map(of).unwrap_or_default()
    }

    /// The rungs for a question, in order. One that names a model has that one, and then what its role has without models.
    fn ladder(&self, ask: &Ask) -> Result<Vec<Arc<dyn Rung>>, Failure> {
        let of_role = self.ladders.get(&ask.role).unwrap_or(&self.usual);
        let Some(name) = &ask.more.model else { return Ok(of_role.clone()) };
        let problem = || format!("question `{}` names a model `{name}` that the deployment does not have", ask.effect);
        let model = self.models.get(name).ok_or_else(|| Failure::new(ErrorKind::Invalid, problem()))?;
        let rest = of_role.iter().filter(|rung| !rung.is_model());
        Ok(std::iter::once(model).chain(rest).map(Arc::clone).collect())
    }
}

#[async_trait]
impl Model for Reasoner {
    async fn answer(&self, ask: &Ask) -> Result<Proposal, Failure> {
        let fit = Fit::of(ask, &self.schemas)?;
        let house = self.common.as_ref().map_or(Limit::default(), |common| *common.books.ledger.action());
        let attempt = Attempt::new(&ask.more.limits, &house, fit);
        let climbed = climb(&self.ladder(ask)?, ask, &attempt).await;
        if let (true, Some(common)) = (ask.more.critical, &self.common) {
            match &climbed {
                Ok(Climbed { proposal, low: true, said }) => {
                    alert::low_rung(&common.books, ask, Some(&proposal.rung), &said.join("; ")).await?;
                }
                Err(failure) => alert::low_rung(&common.books, ask, None, &failure.to_string()).await?,
                Ok(_) => {}
            }
        }
        climbed.map(|climbed| climbed.proposal)
    }
}

fn endpoint(catalogue: &Catalogue, name: &str, secrets: Secrets<'_>, outside: &Outside) -> Result<Endpoint, Failure> {
    let missing = || Failure::new(ErrorKind::Invalid, format!("there is no provider `{name}`"));
    let provider = catalogue.providers.get(name).ok_or_else(missing)?;
    let wire = wire(&provider.wire).ok_or_else(missing)?;
    let key = provider.key.as_deref().map(secrets).transpose()?;
    let header = |(name, text): (&String, &String)| {
        let text = text.strip_prefix("text:").map_or_else(|| secrets(text), |plain| Ok(plain.to_owned()))?;
        Ok((name.clone(), text))
    };
    let headers = provider.headers.iter().map(header).collect::<Result<Vec<_>, Failure>>()?;
    Endpoint::new(wire, &provider.url, key.as_deref(), &headers, Arc::clone(&outside.clock))
}

fn model_rung(
    catalogue: &Catalogue,
    endpoints: &BTreeMap<String, Arc<Endpoint>>,
    common: &Arc<Common>,
    name: &str,
    deadline: std::time::Duration,
) -> Result<Arc<dyn Rung>, Failure> {
    let missing = || Failure::new(ErrorKind::Invalid, format!("there is no model `{name}`"));
    let model = catalogue.models.get(name).ok_or_else(missing)?.clone();
    let endpoint = endpoints.get(&model.provider).map(Arc::clone).ok_or_else(missing)?;
    let route = format!("{}/{name}", model.provider);
    let (price, common) = (catalogue.price(name), Arc::clone(common));
    Ok(Arc::new(ModelRung { route, model, price, endpoint, deadline, common }))
}
