Feature: Calls over HTTP
  Looks, responses, authentication, acts with a manifest, OpenAPI, named functions.

  Scenario: Query and headers
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: get, endpoint: 'https://httpbin.org/anything/{p}', query: { q: '${ .q }' }, headers: { X-One: '1' } } }
    """
    And given the workflow input is:
    """yaml
    { p: 'a b', q: 7 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { path: '/anything/a%20b?q=7', headers: { x-one: '1' }, method: GET }
    """

  Scenario: An address by expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: get, endpoint: '${ "https://petstore.swagger.io/v2/pet/" + (.id | tostring) }' }, output: { as: .id } }
    """
    And given the workflow input is:
    """yaml
    id: 2
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    2
    """

  Scenario: HEAD
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: head, endpoint: 'https://httpbin.org/anything', output: response } }
      - s: { set: { s: '${ .statusCode }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    s: 200
    """
    And host httpbin.org should have been asked 1 times with HEAD

  Scenario: A redirection is an error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: get, endpoint: 'https://stock.test/moved' } }
    """
    And host stock.test answers GET /moved with 302
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/communication
    status: 302
    """

  Scenario: A redirection may be an answer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: get, endpoint: 'https://stock.test/moved', redirect: true, output: response } }
      - s: { set: { s: '${ .statusCode }' } }
    """
    And host stock.test answers GET /moved with 302
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    s: 302
    """

  Scenario: Bearer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: get, endpoint: { uri: 'https://httpbin.org/bearer', authentication: { bearer: { token: '${ .t }' } } } }, output: { as: .token } }
    """
    And given the workflow input is:
    """yaml
    t: t0k
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    t0k
    """

  Scenario: Bearer by name, from a secret that stands in no log
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { secrets: [ shop ], authentications: { shop: { bearer: { token: '${ $secrets.shop }' } } } }
    do:
      - g: { call: http, with: { method: get, endpoint: { uri: 'https://httpbin.org/bearer', authentication: { use: shop } } }, output: { as: .authenticated } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: A secret outside of an authentication is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { secrets: [ shop ] }
    do:
      - a: { set: { x: '${ $secrets.shop }' } }
    """
    Then the definition should be refused by rule 'variable'

  Scenario: A wrong password is an error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: get, endpoint: { uri: 'https://httpbin.org/basic-auth/u/p', authentication: { basic: { username: u, password: wrong } } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/communication
    """

  Scenario: A post that a manifest describes is an act
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: post, endpoint: 'http://shop.test/pay', headers: { Idempotency-Key: k1 }, body: { what: '${ .w }' } } }
    """
    And given the workflow input is:
    """yaml
    w: rent
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { nr: 1, did: /pay, with: { what: rent } }
    """
    And host shop.test should have been asked 1 times with POST
    And the log should hold 1 intended records

  Scenario: A post that nothing describes is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: http, with: { method: post, endpoint: 'http://shop.test/elsewhere' } }
    """
    Then the definition should be refused by rule 'http-method'

  Scenario: OpenAPI that acts faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: openapi, with: { document: { endpoint: 'https://petstore.swagger.io/v2/swagger.json' }, operationId: deletePet, parameters: { petId: 1 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    """

  Scenario: OpenAPI without a parameter faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: openapi, with: { document: { endpoint: 'https://petstore.swagger.io/v2/swagger.json' }, operationId: getPetById } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    """

  Scenario: A named function
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { functions: { pet: { call: http, with: { method: get, endpoint: 'https://petstore.swagger.io/v2/pet/{id}' }, output: { as: .name } } } }
    do:
      - g: { call: pet, with: { id: 2 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    pet 2
    """

  Scenario: A named function checks its input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { functions: { pet: { input: { schema: { document: { required: [ id ] } } }, set: { x: 1 } } } }
    do:
      - g: { call: pet, with: { no: 2 } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    """

  Scenario: A function that calls itself is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { functions: { again: { call: again } } }
    do:
      - g: { call: again }
    """
    Then the definition should be refused by rule 'recursion'

  Scenario: grpc is not enabled and says so
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: grpc, with: {} }
    """
    Then the definition should be refused by rule 'not-enabled'

  Scenario: asyncapi is not enabled and says so
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: asyncapi, with: {} }
    """
    Then the definition should be refused by rule 'not-enabled'

  Scenario: mcp is not enabled and says so
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: mcp, with: {} }
    """
    Then the definition should be refused by rule 'not-enabled'

  Scenario: a2a is not enabled and says so
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - g: { call: a2a, with: {} }
    """
    Then the definition should be refused by rule 'not-enabled'
