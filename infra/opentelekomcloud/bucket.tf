resource "opentelekomcloud_obs_bucket" "backups" {
  count = var.create_bucket ? 1 : 0

  bucket     = var.bucket
  region     = var.region
  acl        = "private"
  versioning = true
  tags       = var.tags

  # OBS encrypts with a key of KMS here or not at all: the provider knows no other way.
  dynamic "server_side_encryption" {
    for_each = var.kms_key_id == "" ? [] : [var.kms_key_id]
    content {
      algorithm  = "kms"
      kms_key_id = server_side_encryption.value
    }
  }

  # For this long nobody deletes a version of any object, the owner of the account included. What is written again gets a new version, so that the
  # functions are not hindered.
  dynamic "worm_policy" {
    for_each = var.worm_days == 0 ? [] : [var.worm_days]
    content {
      days = worm_policy.value
    }
  }

  # No rule ever expires a backup: which of them go is for the functions (keep), which delete nothing that they cannot account for.
  lifecycle_rule {
    name    = "what-was-deleted"
    enabled = true
    noncurrent_version_expiration {
      days = var.noncurrent_version_days
    }
  }

  logging {
    target_bucket = local.access_log_bucket
    target_prefix = "${var.bucket}/"
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

resource "opentelekomcloud_obs_bucket_policy" "backups" {
  count = var.create_bucket ? 1 : 0

  bucket = opentelekomcloud_obs_bucket.backups[0].bucket
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

# This ACL lets OBS write the access logs. With a key of KMS it could not.
resource "opentelekomcloud_obs_bucket" "access_logs" {
  count = var.create_bucket && var.access_log_bucket == "" ? 1 : 0

  bucket = "${var.bucket}-logs"
  region = var.region
  acl    = "log-delivery-write"
  tags   = var.tags

  lifecycle_rule {
    name    = "old-logs"
    enabled = true
    expiration {
      days = var.access_log_days
    }
  }
}

locals {
  bucket            = var.create_bucket ? opentelekomcloud_obs_bucket.backups[0].bucket : var.bucket
  access_log_bucket = var.access_log_bucket != "" ? var.access_log_bucket : one(opentelekomcloud_obs_bucket.access_logs[*].bucket)
}
