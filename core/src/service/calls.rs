//! Calls by name with arguments and answers as JSON: what the faces of other languages are made of, so that
//! each of them has the same names, the same arguments and the same faults.

use zeroize::Zeroizing;

use super::{Admin, Progress, RotationReport, Session, VerifyReport};
use crate::error::Result;
use crate::model::{
    AuditPage, BatchItem, BatchMode, CreateOrder, Order, OrderId, OrderPage, OrderSummary, RelationshipPage,
    StatusChange, TransitionOption,
};
use crate::wire::calls::{self, SessionCall, admin_call, session_call};
use crate::wire::{batch_json, order_json, order_page_json, plain_json, summary_json, transitions_json};

impl Session {
    /// The call `name` with `arguments`, a JSON object; answers its result as JSON, wiped when dropped.
    ///
    /// | name | arguments | answer |
    /// |---|---|---|
    /// | `create_order` | the request | plain columns |
    /// | `create_orders` | `requests`, `mode` | results |
    /// | `update_status` | `order_id` and the change | plain columns |
    /// | `update_statuses` | `changes`, `mode` | results |
    /// | `delete_order` | `order_id`, `reason`, `expected_version?` | plain columns |
    /// | `order` | `order_id`, `fields?` | order |
    /// | `order_by_key` | `idempotency_key` | plain columns |
    /// | `orders` | `filter?`, `cursor?`, `limit?`, `fields?` | `{orders, next_cursor, feed_cursor}` |
    /// | `allowed_transitions` | `order_id` | transitions |
    /// | `relationships` | `filter?`, `after?`, `limit?` | `{relationships, next}` |
    /// | `audit` | `filter?`, `after?`, `limit?` | `{records, next}` |
    /// | `disclosures` | `patient_id`, `after?`, `limit?` | `{records, next}` |
    /// | `verify_audit` | `checkpoint?` | report |
    /// | `revoke` | | null |
    ///
    /// A `limit` that is absent is 50. An item of a batch that breaks a rule of form fails like one that breaks any
    /// other.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every fault of the arguments (`call one_of` for another name), and as the method
    /// of that name.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> medorder::Result<()> {
    /// # let folder = std::env::temp_dir().join(format!("medorder-doc-call-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).ok();
    /// # let (db, key) = (folder.join("orders.db"), folder.join("root.key"));
    /// # medorder::generate_key_file(&key)?;
    /// # let service = medorder::OrderService::open(&db, medorder::KeyFile::open(&key)?).await?;
    /// let actor = medorder::wire::actor(
    ///     br#"{"user_id":"u-7","roles":["administrator","requester"],"territories":"*","purpose":"operations"}"#,
    /// )?;
    /// service.admin(actor.clone()).call("register_territory", br#"{"territory_id":"north"}"#, |_| ()).await?;
    /// let page = service.session(actor, "north".parse()?).call("orders", b"{}").await?;
    /// assert!(page.starts_with(br#"{"orders":[],"next_cursor":null,"#));
    /// # service.close().await?;
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok(()) }
    /// ```
    pub async fn call(&self, name: &str, arguments: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.make(Call::read(name, arguments)?).await?.to_json())
    }

    /// Makes a call that was read before.
    ///
    /// # Errors
    /// As the method of that name.
    pub async fn make(&self, call: Call) -> Result<Answer> {
        // A future is as big as its biggest arm and is moved by those who spawn it: the rare ones are boxed.
        Ok(match call.0 {
            SessionCall::CreateOrder(request) => Answer::Summary(self.create_order(request).await?),
            SessionCall::CreateOrders(items, mode) => {
                let call = |sound| Box::pin(self.create_orders(sound, mode));
                Answer::Batch(each_for_itself(items, mode, call).await?)
            }
            SessionCall::UpdateStatus(id, change) => Answer::Summary(self.update_status(id, change).await?),
            SessionCall::UpdateStatuses(items, mode) => {
                let call = |sound| Box::pin(self.update_statuses(sound, mode));
                Answer::Batch(each_for_itself(items, mode, call).await?)
            }
            SessionCall::DeleteOrder(id, request) => {
                Answer::Summary(Box::pin(self.delete_order(id, request)).await?)
            }
            SessionCall::Order(id, fields) => Answer::Order(self.order(id, fields).await?),
            SessionCall::OrderByKey(key) => Answer::Summary(Box::pin(self.order_by_key(&key)).await?),
            SessionCall::Orders { filter, cursor, limit, fields } => {
                Answer::Orders(Box::pin(self.orders(&filter, cursor.as_deref(), limit, fields)).await?)
            }
            SessionCall::AllowedTransitions(id) => {
                Answer::Transitions(Box::pin(self.allowed_transitions(id)).await?)
            }
            SessionCall::Relationships { filter, after, limit } => {
                Answer::Relationships(Box::pin(self.relationships(&filter, after.as_ref(), limit)).await?)
            }
            SessionCall::Audit { filter, after, limit } => {
                Answer::Audit(Box::pin(self.audit(&filter, after, limit)).await?)
            }
            SessionCall::Disclosures { patient, after, limit } => {
                Answer::Audit(Box::pin(self.disclosures(&patient, after, limit)).await?)
            }
            SessionCall::VerifyAudit { checkpoint } => {
                Answer::Verified(Box::pin(self.verify_audit(checkpoint.as_deref())).await?)
            }
            SessionCall::Revoke => {
                self.revoke();
                Answer::Nothing
            }
        })
    }
}

/// A call of a session that was read and not made yet, for faces with objects of their own for the answers.
///
/// ```
/// use medorder::{Rule, service::Call};
///
/// assert!(Call::read("orders", br#"{"limit":10}"#).is_ok());
/// let error = Call::read("order", br#"{"id":7}"#).err().unwrap();
/// let faults: Vec<_> = error.faults().iter().map(|fault| (fault.path.as_str(), fault.rule)).collect();
/// assert_eq!(faults, [("id", Rule::Unknown), ("order_id", Rule::Required)]);
/// ```
pub struct Call(SessionCall);

impl Call {
    /// Reads the call `name` with `arguments`, a JSON object; see the table of [`Session::call`].
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every fault of the arguments, `call one_of` for another name.
    pub fn read(name: &str, arguments: &[u8]) -> Result<Self> {
        session_call(name, arguments).map(Self)
    }

    /// The call `create_orders` of items that a face has read itself; one that it could not read fails like one that
    /// breaks any other rule.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> medorder::Result<()> {
    /// # let folder = std::env::temp_dir().join(format!("medorder-doc-items-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).ok();
    /// # let (db, key) = (folder.join("orders.db"), folder.join("root.key"));
    /// # medorder::generate_key_file(&key)?;
    /// # let service = medorder::OrderService::open(&db, medorder::KeyFile::open(&key)?).await?;
    /// # let actor = medorder::Actor::new("u-7".parse()?, medorder::Purpose::Treatment)
    /// #     .roles([medorder::access::role::requester(), medorder::access::role::administrator()])
    /// #     .all_territories();
    /// # let admin = service.admin(actor.clone());
    /// # admin.register_territory(&"north".parse()?).await?;
    /// # admin.register_relationship(&"north".parse()?, &"p-1".parse()?, &"npi-1".parse()?).await?;
    /// # let session = service.session(actor, "north".parse()?);
    /// use medorder::{BatchItem, BatchMode, CreateOrder, Error, Rule, service::{Answer, Call}};
    ///
    /// let items = vec![Ok(CreateOrder::new("p-1", "npi-1", "MRI")), Err(Error::fault("priority", Rule::Unknown))];
    /// let Answer::Batch(results) = session.make(Call::create_orders(items, BatchMode::Each)).await? else {
    ///     unreachable!("a batch answers its items")
    /// };
    /// assert!(matches!(&results[..], [BatchItem::Done(_), BatchItem::Failed(_)]));
    /// # service.close().await?;
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn create_orders(items: Vec<Result<CreateOrder>>, mode: BatchMode) -> Self {
        Self(SessionCall::CreateOrders(items, mode))
    }

    /// The call `update_statuses`, as [`Call::create_orders`].
    #[must_use]
    pub fn update_statuses(items: Vec<Result<(OrderId, StatusChange)>>, mode: BatchMode) -> Self {
        Self(SessionCall::UpdateStatuses(items, mode))
    }
}

/// A call of an administrator that was read and not made yet, as [`Call`].
///
/// ```
/// use medorder::service::AdminCall;
///
/// assert!(AdminCall::read("register_territory", br#"{"territory_id":"north"}"#).is_ok());
/// let error = AdminCall::read("restore", br#"{"path":"x"}"#).err().unwrap();
/// assert_eq!(error.faults()[0].to_string(), "path unknown");
/// ```
pub struct AdminCall(calls::AdminCall);

impl AdminCall {
    /// Reads the call `name` with `arguments`, a JSON object; see the table of [`Admin::call`].
    ///
    /// # Errors
    /// As [`Call::read`].
    pub fn read(name: &str, arguments: &[u8]) -> Result<Self> {
        admin_call(name, arguments).map(Self)
    }
}

/// What a [`Call`] or an [`AdminCall`] answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "made once a call and taken apart at once")]
pub enum Answer {
    /// Plain columns of an order.
    Summary(OrderSummary),
    /// What became of each item.
    Batch(Vec<BatchItem>),
    /// An order with its disclosed fields.
    Order(Order),
    /// A page of orders.
    Orders(OrderPage),
    /// The statuses an order may get.
    Transitions(Vec<TransitionOption>),
    /// A page of the registry.
    Relationships(RelationshipPage),
    /// A page of the audit.
    Audit(AuditPage),
    /// A report.
    Verified(VerifyReport),
    /// What a rotation did.
    Rotated(RotationReport),
    /// Names of territories, or signed notes.
    Texts(Vec<String>),
    /// That it is done.
    Nothing,
}

impl Answer {
    /// The answer as JSON, wiped when dropped.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Summary(summary) => summary_json(summary),
            Self::Batch(items) => batch_json(items),
            Self::Order(order) => order_json(order),
            Self::Orders(page) => order_page_json(page),
            Self::Transitions(options) => transitions_json(options),
            Self::Relationships(page) => plain_json(page),
            Self::Audit(page) => plain_json(page),
            Self::Verified(report) => plain_json(report),
            Self::Rotated(report) => plain_json(report),
            Self::Texts(texts) => plain_json(texts),
            Self::Nothing => plain_json(&()),
        }
    }
}

impl Admin {
    /// The call `name` with `arguments`, as [`Session::call`]. `progress` hears how far `rotate_keys` is.
    ///
    /// | name | arguments | answer |
    /// |---|---|---|
    /// | `register_territory`, `unregister_territory` | `territory_id` | null |
    /// | `register_relationship`, `unregister_relationship` | `territory_id`, `patient_id`, `provider_id` | null |
    /// | `territories` | | names |
    /// | `rotate_keys` | `territory_id` | `{version, rewrapped, resumed}` |
    /// | `checkpoint`, `restore` | | notes |
    /// | `audit` | `filter?`, `after?`, `limit?` | `{records, next}` of the system chain |
    /// | `verify_audit` | | report of every chain |
    /// | `backup` | `path` | null |
    ///
    /// # Errors
    /// As [`Session::call`].
    pub async fn call(
        &self,
        name: &str,
        arguments: &[u8],
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.make(AdminCall::read(name, arguments)?, progress).await?.to_json())
    }

    /// Makes a call that was read before.
    ///
    /// # Errors
    /// As the method of that name.
    pub async fn make(&self, call: AdminCall, progress: impl FnMut(Progress) + Send) -> Result<Answer> {
        use calls::AdminCall as Act;
        match call.0 {
            Act::RegisterTerritory(territory) => self.register_territory(&territory).await?,
            Act::UnregisterTerritory(territory) => self.unregister_territory(&territory).await?,
            Act::RegisterRelationship(territory, patient, provider) => {
                self.register_relationship(&territory, &patient, &provider).await?;
            }
            Act::UnregisterRelationship(territory, patient, provider) => {
                self.unregister_relationship(&territory, &patient, &provider).await?;
            }
            Act::Backup(path) => self.backup(path).await?,
            Act::Territories => {
                let territories = self.territories().await?;
                return Ok(Answer::Texts(territories.iter().map(|id| id.as_str().to_owned()).collect()));
            }
            Act::RotateKeys(territory) => {
                return self.rotate_keys(&territory, progress).await.map(Answer::Rotated);
            }
            Act::Checkpoint => return self.checkpoint().await.map(Answer::Texts),
            Act::Restore => return self.restore().await.map(Answer::Texts),
            Act::Audit { filter, after, limit } => {
                return self.audit(&filter, after, limit).await.map(Answer::Audit);
            }
            Act::VerifyAudit => return self.verify_audit().await.map(Answer::Verified),
        }
        Ok(Answer::Nothing)
    }
}

/// The results of a batch whose items were read each for itself: `call` makes the sound ones, unless a fault of form
/// is the end of the batch.
async fn each_for_itself<T, F>(
    items: Vec<Result<T>>,
    mode: BatchMode,
    call: impl FnOnce(Vec<T>) -> F,
) -> Result<Vec<BatchItem>>
where
    F: Future<Output = Result<Vec<BatchItem>>>,
{
    if mode == BatchMode::Atomic && items.iter().any(Result::is_err) {
        let result = |item: Result<T>| item.map_or_else(BatchItem::Failed, |_| BatchItem::NotApplied);
        return Ok(items.into_iter().map(result).collect());
    }
    let (mut sound, mut faults) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for item in items {
        faults.push(match item {
            Ok(item) => {
                sound.push(item);
                None
            }
            Err(error) => Some(BatchItem::Failed(error)),
        });
    }
    let mut results = call(sound).await?.into_iter();
    Ok(faults.into_iter().filter_map(|fault| fault.or_else(|| results.next())).collect())
}
