package handler

import "context"

// RouteTable is every route of every function with an HTTP interface, as "GET /backups/{name}".
func RouteTable() []string {
	var table []string
	for _, routes := range [][]route{(&restoring{}).routes(context.Background()), (&console{}).routes(context.Background())} {
		for _, r := range routes {
			table = append(table, r.method+" "+r.pattern)
		}
	}
	return table
}
