//! A call that an OpenAPI document describes: which request it is.
//!
//! Does not know the net: the document is a value that was looked up, and so is what comes back. Swagger 2.0 and OpenAPI 3
//! are read as far as it takes to ask: servers, paths, parameters in path, query and header.

use serde_json::{Map, Value};

const METHODS: &[&str] = &["get", "head", "post", "put", "patch", "delete", "options"];

/// A request.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// In capitals.
    pub method: String,
    pub uri: String,
    pub query: Map<String, Value>,
    pub headers: Map<String, Value>,
}

/// The request for an operation; the error says what the document or the parameters lack.
pub(crate) fn request(document: &Value, at: &str, operation: &str, parameters: &Value) -> Result<Request, String> {
    let (path, method, item, found) = find(document, operation)?;
    let base = base(document, at)?;
    let mut request = Request {
        method: method.to_ascii_uppercase(),
        uri: format!("{}{path}", base.trim_end_matches('/')),
        query: Map::new(),
        headers: Map::new(),
    };
    let own = described(document, found);
    let shared = described(document, item);
    let shared = shared.into_iter().filter(|one| own.iter().all(|other| name_of(other) != name_of(one)));
    for described in shared.chain(own.iter().copied()) {
        place(&mut request, described, parameters)?;
    }
    match request.uri.split_once('{') {
        Some((_, rest)) => {
            Err(format!("nothing is given for `{}` in the path", rest.split('}').next().unwrap_or(rest)))
        }
        None => Ok(request),
    }
}

fn find<'d>(document: &'d Value, operation: &str) -> Result<(&'d str, &'static str, &'d Value, &'d Value), String> {
    let paths = document.get("paths").and_then(Value::as_object).ok_or("the document has no `paths`")?;
    let all = paths.iter().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((path.as_str(), *method, item, item.get(method)?)))
    });
    let mut found = all.filter(|(_, _, _, found)| found.get("operationId").is_some_and(|id| id == operation));
    found.next().ok_or_else(|| format!("the document has no operation `{operation}`"))
}

/// Where the paths begin: a server of OpenAPI 3, the host of Swagger 2.0, else where the document itself is.
fn base(document: &Value, at: &str) -> Result<String, String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let origin = || {
        let (scheme, rest) = at.split_once("://").ok_or_else(|| format!("`{at}` is no address"))?;
        Ok::<_, String>((scheme.to_owned(), rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()))
    };
    if let Some(server) = document.pointer("/servers/0/url").and_then(Value::as_str) {
        let (scheme, host) = origin()?;
        return Ok(if server.starts_with('/') { format!("{scheme}://{host}{server}") } else { server.to_owned() });
    }
    let (scheme, host) = origin()?;
    let schemes = document.get("schemes").and_then(Value::as_array).into_iter().flatten();
    let schemes: Vec<&str> = schemes.filter_map(Value::as_str).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&scheme.as_str()) {
        scheme
    } else {
        schemes.first().map_or(scheme, |first| (*first).to_owned())
    };
    Ok(format!("{scheme}://{}{}", text("host").unwrap_or(&host), text("basePath").unwrap_or_default()))
}

/// The parameters that a path or an operation describes, with references inside the document followed.
fn described<'d>(document: &'d Value, owner: &'d Value) -> Vec<&'d Value> {
    let listed = owner.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let follow = |one: &'d Value| match one.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(reference.trim_start_matches('#')),
        None => Some(one),
    };
    listed.filter_map(follow).collect()
}

fn name_of(described: &Value) -> (&str, &str) {
    let text = |name: &str| described.get(name).and_then(Value::as_str).unwrap_or_default();
    (text("name"), text("in"))
}

fn place(request: &mut Request, described: &Value, parameters: &Value) -> Result<(), String> {
    let (name, place) = name_of(described);
    let Some(value) = parameters.get(name).filter(|value| !value.is_null()) else {
        let required = described.get("required") == Some(&Value::Bool(true)) && place != "body";
        return if required { Err(format!("nothing is given for `{name}`")) } else { Ok(()) };
    };
    match place {
        "path" => {
            let filled = sinew_expr::fill_uri(&format!("{{{name}}}"), parameters).map_err(|error| error.to_string())?;
            request.uri = request.uri.replace(&format!("{{{name}}}"), &filled);
        }
        "query" => drop(request.query.insert(name.to_owned(), joined(value))),
        "header" => drop(request.headers.insert(name.to_owned(), Value::String(plain(value)))),
        other => return Err(format!("`{name}` stands in `{other}`, which is not sent")),
    }
    Ok(())
}

/// Lists are joined with commas: the one form that Swagger 2.0 and OpenAPI 3 share.
fn joined(value: &Value) -> Value {
    match value.as_array() {
        Some(items) => Value::String(items.iter().map(plain).collect::<Vec<_>>().join(",")),
        None => value.clone(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_becomes_the_request_that_its_document_describes() {
        let swagger = json!({ "swagger": "2.0", "host": "shop.example", "basePath": "/v2", "schemes": ["https"], "paths": {
            "/pets/{id}": { "parameters": [{ "name": "id", "in": "path", "required": true }],
                "get": { "operationId": "pet", "parameters": [{ "$ref": "#/parameters/lang" }, { "name": "tags", "in": "query" }] },
                "delete": { "operationId": "unpet" } } },
            "parameters": { "lang": { "name": "Accept-Language", "in": "header" } } });
        let given = json!({ "id": "a/b", "tags": ["x", 2], "Accept-Language": "de" });
        let found = request(&swagger, "https://docs.example/s.json", "pet", &given).expect("a request");
        assert_eq!((found.method.as_str(), found.uri.as_str()), ("GET", "https://shop.example/v2/pets/a%2Fb"));
        assert_eq!(Value::Object(found.query), json!({ "tags": "x,2" }));
        assert_eq!(Value::Object(found.headers), json!({ "Accept-Language": "de" }));
        assert_eq!(
            request(&swagger, "https://d/", "unpet", &json!({ "id": 1 })).map(|r| r.method),
            Ok("DELETE".to_owned())
        );
        assert_eq!(request(&swagger, "https://d/", "pet", &json!({})), Err("nothing is given for `id`".to_owned()));
        assert!(request(&swagger, "https://d/", "nobody", &json!({})).is_err());
    }

    #[test]
    fn paths_begin_where_the_document_says() {
        let rows = [
            (json!({ "servers": [{ "url": "https://api.example/v1" }] }), "https://api.example/v1"),
            (json!({ "servers": [{ "url": "/v1" }] }), "https://docs.example/v1"),
            (json!({ "swagger": "2.0", "basePath": "/v2" }), "https://docs.example/v2"),
            (json!({ "swagger": "2.0", "host": "a.example", "schemes": ["http"] }), "http://a.example"),
        ];
        for (document, expected) in rows {
            assert_eq!(base(&document, "https://docs.example/x/s.json").as_deref(), Ok(expected));
        }
    }
}
