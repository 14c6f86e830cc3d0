//! Stand-in until events are there.
use crate::data::Tx;
use crate::error::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
/// An event.
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its version.
    const VERSION: u32 = 1;
    /// Its key.
    fn key(&self) -> Option<String> {
        None
    }
}
/// A delivery.
#[derive(Clone, Debug)]
pub struct Delivery(Uuid);
impl Delivery {
    /// Of the event.
    pub fn id(&self) -> Uuid {
        self.0
    }
    /// Once.
    pub async fn once(&self, _: &Tx) -> Result<bool> {
        Ok(true)
    }
}
