package dataarts

// This file is the Management Center, which shares the host of V2: the instances of DataArts Studio and their workspaces.

// listInstances answers the orders of the project's instances, in the shape of the SDK's ListDataArtsStudioInstances.
func (q *request) listInstances() (reply, error) {
	var order fields
	order.add("resource_id", q.s.instanceID)
	order.add("resource_name", "dataarts-studio")
	order.add("project_id", q.args[0])
	order.add("status", 0)
	var f fields
	f.add("count", 1)
	f.add("commodity_orders", []jsonLiteral{jsonLiteral(order.object())})
	return okJSON(f.object())
}

// listWorkspaces pages by records, 20 by default, and calls the total count.
func (q *request) listWorkspaces() (reply, error) {
	if err := q.checkInstance(); err != nil {
		return reply{}, err
	}
	all := q.s.workspaces
	cut, total, err := page(q, paging{fallback: 20, largest: 100, records: true}, all)
	if err != nil {
		return reply{}, err
	}
	limit, err := q.number("limit", 20)
	if err != nil {
		return reply{}, err
	}
	data := []jsonLiteral{}
	for _, ws := range cut {
		row := q.workspaceRow(ws)
		data = append(data, jsonLiteral(row.object()))
	}
	var f fields
	f.add("count", total)
	f.add("total_page", (total+limit-1)/limit)
	f.add("data", data)
	return okJSON(f.object())
}

func (q *request) showWorkspace() (reply, error) {
	if err := q.checkInstance(); err != nil {
		return reply{}, err
	}
	for _, ws := range q.s.workspaces {
		if ws.info.ID == q.args[2] {
			row := q.workspaceRow(ws)
			return okJSON(row.object())
		}
	}
	return reply{}, refuse("DLF.0819", "Workspace does not exists.")
}

func (q *request) checkInstance() error {
	if q.s.instanceID != "" && q.args[1] != q.s.instanceID {
		return invalid("The instance %s does not exist.", q.args[1])
	}
	return nil
}

func (q *request) workspaceRow(ws *workspace) fields {
	isDefault := 0
	if ws.info.IsDefault {
		isDefault = 1
	}
	var f fields
	f.add("id", ws.info.ID)
	f.add("name", ws.info.Name)
	f.add("description", ws.info.Description)
	f.add("eps_id", "0")
	f.add("bad_record_location_name", "")
	f.add("job_log_location_name", ws.info.LogLocation)
	f.add("is_default", isDefault)
	f.add("owner_name", "admin")
	f.add("project_id", q.args[0])
	f.add("instance_id", q.args[1])
	f.add("create_time", "1684979659000") // a string, as in the sample; the SDK's type for it is a float
	f.add("create_user", "admin")
	f.add("member_num", 1)
	f.add("update_time", "1684979659000")
	f.add("update_user", "admin")
	return f
}
