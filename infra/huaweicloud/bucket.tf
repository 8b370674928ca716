resource "huaweicloud_obs_bucket" "backups" {
  count = var.create_bucket ? 1 : 0

  bucket        = var.bucket
  region        = var.region
  acl           = "private"
  versioning    = true
  encryption    = true
  sse_algorithm = var.kms_key_id == "" ? "AES256" : "kms"
  kms_key_id    = var.kms_key_id == "" ? null : var.kms_key_id
  tags          = var.tags

  # No rule ever expires a backup: which of them go is for the functions (keep), which delete nothing that they cannot account for.
  lifecycle_rule {
    name    = "what-was-deleted"
    enabled = true
    noncurrent_version_expiration {
      days = var.noncurrent_version_days
    }
    abort_incomplete_multipart_upload {
      days = 7
    }
  }

  logging {
    target_bucket = local.access_log_bucket
    target_prefix = "${var.bucket}/"
    agency        = huaweicloud_identity_agency.access_logs[0].name
  }

  lifecycle {
    precondition {
      condition     = var.access_log_bucket != var.bucket
      error_message = "The access logs of the backups' bucket need another bucket: each delivery of a log would be logged again."
    }
    precondition {
      condition     = var.access_log_bucket != "" || length(var.bucket) <= 58
      error_message = "The name of the bucket is too long for -logs to be appended: name an access_log_bucket."
    }
  }
}

resource "huaweicloud_obs_bucket_policy" "backups" {
  count = var.create_bucket ? 1 : 0

  bucket = huaweicloud_obs_bucket.backups[0].bucket
  policy = jsonencode({
    Statement = [{
      Sid       = "only-encrypted-connections"
      Effect    = "Deny"
      Principal = { ID = ["*"] }
      Action    = ["*"]
      Resource  = [var.bucket, "${var.bucket}/*"]
      Condition = { Bool = { SecureTransport = ["false"] } }
    }]
  })
}

resource "huaweicloud_obs_bucket" "access_logs" {
  count = var.create_bucket && var.access_log_bucket == "" ? 1 : 0

  bucket        = "${var.bucket}-logs"
  region        = var.region
  acl           = "log-delivery-write"
  encryption    = true
  sse_algorithm = "AES256"
  tags          = var.tags

  lifecycle_rule {
    name    = "old-logs"
    enabled = true
    expiration {
      days = var.access_log_days
    }
  }
}

locals {
  bucket            = var.create_bucket ? huaweicloud_obs_bucket.backups[0].bucket : var.bucket
  access_log_bucket = var.access_log_bucket != "" ? var.access_log_bucket : one(huaweicloud_obs_bucket.access_logs[*].bucket)
}

# With this agency OBS itself writes the access logs.
resource "huaweicloud_identity_agency" "access_logs" {
  count = var.create_bucket ? 1 : 0

  name                  = "${var.name}-access-logs"
  description           = "Lets OBS write the access logs of ${var.bucket}"
  delegated_domain_name = "op_svc_obs"
  domain_roles          = [huaweicloud_identity_role.access_logs[0].name]

  lifecycle {
    ignore_changes = [delegated_service_name] # as of the functions' agencies
    postcondition {
      condition     = contains(tolist(self.domain_roles), huaweicloud_identity_role.access_logs[0].name)
      error_message = "The agency lacks its role, which IAM did not know yet: apply again."
    }
  }
}

resource "huaweicloud_identity_role" "access_logs" {
  count = var.create_bucket ? 1 : 0

  name        = "${var.name}-access-logs"
  description = "Writes the access logs of ${var.bucket}"
  type        = "AX"
  policy = jsonencode({
    Version = "1.1"
    Statement = [{
      Effect   = "Allow"
      Action   = ["obs:object:PutObject"]
      Resource = ["OBS:*:*:object:${var.access_log_bucket != "" ? var.access_log_bucket : "${var.bucket}-logs"}/${var.bucket}/*"]
    }]
  })
}
