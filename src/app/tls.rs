//! TLS of the API's listener, from the PEM that the configuration read.
//!
//! Must not know: where the files lie.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::AppError;
use crate::config::CertificateAndKey;

/// What the listener shows of itself; clients are not asked for certificates.
pub(super) fn server_config(pair: &CertificateAndKey) -> Result<Arc<ServerConfig>, AppError> {
    let chain = CertificateDer::pem_slice_iter(&pair.cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| AppError::Tls { cause: Box::new(cause) })?;
    let key =
        PrivateKeyDer::from_pem_slice(pair.key.expose()).map_err(|cause| AppError::Tls { cause: Box::new(cause) })?;
    let of_rustls = |cause: rustls::Error| AppError::Tls { cause: Box::new(cause) };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(of_rustls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(of_rustls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
