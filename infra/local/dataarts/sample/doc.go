// Package sample fills workspaces of the local cloud.
//
// Fill makes a workspace that looks like a data team's: layers from ods to ads, schedules, dependencies, connections. Hard makes one that holds
// everything a backup could get wrong. Both give the same assets every time.
package sample
