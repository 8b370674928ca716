resource "huaweicloud_lts_group" "functions" {
  region      = var.region
  group_name  = var.name
  ttl_in_days = var.log_days
  tags        = var.tags
}

resource "huaweicloud_lts_stream" "function" {
  for_each = local.function_names

  region      = var.region
  group_id    = huaweicloud_lts_group.functions.id
  stream_name = each.value
  tags        = var.tags
}
