# The functions' packages: the zips that make build leaves in dist, read from this machine or from OBS. The variant for Resource Formation
# Service has a file of its own here, because that service reads no files; everything else is the same.

variable "package_directory" {
  description = "Folder with backup.zip, restore.zip and console.zip, as make build leaves them; empty: dist in this repository. Not used with package_urls"
  type        = string
  default     = ""
}

variable "package_urls" {
  description = "Addresses in OBS of the three packages, to deploy from there instead of from this machine; null: from this machine. A new version needs a new address"
  type = object({
    backup  = string
    restore = string
    console = string
  })
  default = null
  validation {
    condition     = var.package_urls == null ? true : alltrue([for url in values(var.package_urls) : can(regex("^https://[^ ?#@]+\\.zip$", url))])
    error_message = "Each is the https:// address of a zip file in OBS."
  }
}

locals {
  package_directory = var.package_directory != "" ? var.package_directory : "${path.module}/../../dist"

  packages = { for f in ["backup", "restore", "console"] : f => {
    type     = var.package_urls == null ? "zip" : "obs"
    code     = var.package_urls == null ? filebase64("${local.package_directory}/${f}.zip") : null
    filename = var.package_urls == null ? "${f}.zip" : null
    url      = try(var.package_urls[f], null)
  } }
}
