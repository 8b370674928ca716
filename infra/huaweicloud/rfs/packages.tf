# The functions' packages, from OBS: Resource Formation Service reads no files. Everything else is the same as in the folder above.

variable "package_urls" {
  description = "Addresses in OBS of the three packages, which make build leaves in dist. A new version needs a new address"
  type = object({
    backup  = string
    restore = string
    console = string
  })
  validation {
    condition     = alltrue([for url in values(var.package_urls) : can(regex("^https://[^ ?#@]+\\.zip$", url))])
    error_message = "Each is the https:// address of a zip file in OBS."
  }
}

locals {
  packages = { for f in ["backup", "restore", "console"] : f => {
    type     = "obs"
    code     = null
    filename = null
    url      = var.package_urls[f]
  } }
}
