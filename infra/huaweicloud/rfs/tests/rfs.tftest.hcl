# The variant for Resource Formation Service takes the packages from OBS, and is otherwise what the folder above is: see infra/terraform.

mock_provider "huaweicloud" {}

variables {
  region     = "eu-west-101"
  workspaces = ["0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"]
  bucket     = "dataarts-backup-test"
  time_zone  = "Europe/Berlin"
  alarm_user = "operator"
  package_urls = {
    backup  = "https://packages.obs.eu-west-101.myhuaweicloud.com/1/backup.zip"
    restore = "https://packages.obs.eu-west-101.myhuaweicloud.com/1/restore.zip"
    console = "https://packages.obs.eu-west-101.myhuaweicloud.com/1/console.zip"
  }
}

run "packages_from_obs" {
  command = apply

  assert {
    condition = alltrue([for name, f in { backup = huaweicloud_fgs_function.backup, restore = huaweicloud_fgs_function.restore, console = huaweicloud_fgs_function.console } :
    f.code_type == "obs" && f.code_url == var.package_urls[name] && f.func_code == null])
    error_message = "A package does not come from OBS."
  }
}
