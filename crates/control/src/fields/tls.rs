//! `extensions.transport_sockets.tls.v3` of a client, as it is spoken to a control plane.

use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate,
    TlsParameters, UpstreamTlsContext, certificate_validation_context::SystemRootCerts,
    common_tls_context::ValidationContextType,
};

use super::{row, tables, within};

tables! {
    message UpstreamTlsContext {
        common_tls_context: InForce nested,
        sni: InForce,
        auto_host_sni: Refused,
        auto_sni_san_validation: Refused,
        allow_renegotiation: Tolerated "there is no renegotiation",
        max_session_keys: Tolerated "each connection begins anew",
        enforce_rsa_key_usage: Tolerated "it is always enforced",
    }

    message CommonTlsContext {
        tls_params: InForce nested,
        tls_certificates: InForce nested "the first",
        tls_certificate_sds_secret_configs: Refused "secrets of a control plane are not supported yet",
        tls_certificate_provider_instance: Refused,
        custom_tls_certificate_selector: Refused,
        tls_certificate_certificate_provider: Refused,
        tls_certificate_certificate_provider_instance: Refused,
        alpn_protocols: Tolerated "gRPC speaks h2",
        custom_handshaker: Refused,
        key_log: Tolerated "keys are not written anywhere",
    }
    oneof validation_context_type: ValidationContextType {
        ValidationContext "validation_context": InForce nested,
        ValidationContextSdsSecretConfig "validation_context_sds_secret_config": Refused "secrets of a control plane are not supported yet",
        CombinedValidationContext "combined_validation_context": Refused "secrets of a control plane are not supported yet",
        ValidationContextCertificateProvider "validation_context_certificate_provider": Refused,
        ValidationContextCertificateProviderInstance "validation_context_certificate_provider_instance": Refused,
    }

    message TlsParameters {
        tls_minimum_protocol_version: Tolerated "TLS 1.2 and 1.3 are spoken",
        tls_maximum_protocol_version: Tolerated "TLS 1.2 and 1.3 are spoken",
        cipher_suites: Tolerated "those of rustls",
        ecdh_curves: Tolerated "those of rustls",
        signature_algorithms: Tolerated "those of rustls",
        compliance_policies: Refused,
    }

    message TlsCertificate {
        certificate_chain: InForce "a file, inline, or a variable",
        private_key: InForce "a file, inline, or a variable",
        pkcs12: Refused,
        watched_directory: Tolerated "files are read for each connection",
        private_key_provider: Refused,
        password: Refused,
        ocsp_staple: Tolerated "of use to servers alone",
        signed_certificate_timestamp: Tolerated "not implemented in Envoy either",
        tls_params: Tolerated "TLS 1.2 and 1.3 are spoken",
    }

    message CertificateValidationContext {
        trusted_ca: InForce "a file, inline, or a variable",
        ca_certificate_provider_instance: Refused,
        system_root_certs: InForce nested,
        watched_directory: Tolerated "files are read for each connection",
        verify_certificate_spki: Refused,
        verify_certificate_hash: Refused,
        match_typed_subject_alt_names: InForce nested "DNS and URI",
        match_subject_alt_names: Refused "use match_typed_subject_alt_names",
        require_signed_certificate_timestamp: Refused,
        crl: Refused,
        allow_expired_certificate: Refused,
        trust_chain_verification: Refused,
        custom_validator_config: Refused,
        only_verify_leaf_cert_crl: Tolerated "there are no revocation lists",
        max_verify_depth: Tolerated,
        suppress_client_ca_list: Tolerated "of use to servers alone",
    }

    message SystemRootCerts {}

    message SubjectAltNameMatcher {
        san_type: InForce "DNS and URI",
        matcher: InForce nested,
        oid: Refused,
    }
}
