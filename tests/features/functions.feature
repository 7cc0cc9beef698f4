Feature: Functions
  infer, recall, remember, act, approve, compensate.

  Scenario: Infer by a table
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - i: { call: 'infer:1.0.0@default', with: { instruction: How large?, rules: size, inputs: { n: '${ .n }' }, schema: { type: object, required: [ size ], properties: { size: { enum: [ small, large ] } } } }, output: { as: .size } }
    """
    And given the workflow input is:
    """yaml
    n: 12
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    large
    """
    And the log should hold 1 proposed records

  Scenario: Infer by a template
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - i: { call: 'infer:1.0.0@default', with: { instruction: Greet, template: letter, inputs: { name: Ana }, schema: { type: object, required: [ body ], properties: { body: { type: string } } } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    body: Hello Ana
    """

  Scenario: What is remembered is recalled
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - r: { call: 'remember:1.0.0@default', with: { kind: episode, subject: 'customer:c1', content: likes tea, sources: [ test ], idempotencyKey: k } }
      - q: { call: 'recall:1.0.0@default', with: { store: episodes, query: { subject: 'customer:c1' } }, output: { as: '{ n: (.items | length) }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """
    And the log should hold 1 remembered records

  Scenario: An act is done once
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.tell, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true }, output: { as: .outcome } }
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    done
    """
    And host shop.test should have been asked 1 times with POST

  Scenario: The same key again gets the first receipt
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.tell, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true }, output: { as: $input } }
      - b: { call: 'act:1.0.0@default', with: { capability: shop.tell, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true }, output: { as: '{ nr: .receipt.nr, again: (.first != null) }' } }
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { nr: 1, again: true }
    """
    And host shop.test should have been asked 1 times with POST

  Scenario: What policy forbids is an error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.forbidden, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true } }
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: 'urn:sinew:error:refused-by-policy'
    status: 403
    """
    And host shop.test should have been asked 0 times with POST

  Scenario: What needs a person waits for one
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.guarded, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true }, output: { as: .outcome } }
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    And a person approves
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    done
    """
    And the log should hold 1 gate-opened records

  Scenario: A person says no
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.guarded, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true } }
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    And a person refuses
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: 'urn:sinew:error:refused-by-person'
    """
    And host shop.test should have been asked 0 times with POST

  Scenario: Nobody says anything
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.guarded, args: { what: '${ .w }' }, idempotencyKey: 'k1', irreversible: true } }
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: 'urn:sinew:error:refused-by-person'
    """
    And it should take 86400 seconds

  Scenario: Approve
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'approve:1.0.0@default', with: { question: Shall we?, approvers: { role: lead }, expires: PT1H, onExpiry: reject }, output: { as: .decision } }
    """
    And a person approves
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    approve
    """

  Scenario: Approve is rejected when nobody answers
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'approve:1.0.0@default', with: { question: Shall we?, approvers: { role: lead }, expires: PT1H, onExpiry: reject }, output: { as: .decision } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    reject
    """
    And it should take 3600 seconds

  Scenario: Undo in reverse
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try:
            - p: { call: 'act:1.0.0@default', with: { capability: shop.pay, args: { what: '${ .w }' }, idempotencyKey: 'p1' }, output: { as: $input } }
            - q: { call: 'act:1.0.0@default', with: { capability: shop.pay, args: { what: '${ .w }' }, idempotencyKey: 'p2' }, output: { as: $input } }
            - r: { raise: { error: { type: 'urn:x', status: 418 } } }
          catch:
            do: [ { u: { call: 'compensate:1.0.0@default', with: { scope: t }, output: { as: '[ .undone[].key ]' } } } ]
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ p2, p1 ]
    """
    And host shop.test should have been asked 4 times with POST

  Scenario: A try that may leave something undone is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try:
            - p: { call: 'act:1.0.0@default', with: { capability: shop.pay, args: { what: '${ .w }' }, idempotencyKey: 'p1' }, output: { as: $input } }
            - q: { call: 'act:1.0.0@default', with: { capability: shop.pay, args: { what: '${ .w }' }, idempotencyKey: 'p2' }, output: { as: $input } }
            - r: { raise: { error: { type: 'urn:x', status: 418 } } }
          catch:
            do: [ { u: { set: { x: 1 } } } ]
    """
    Then the definition should be refused by rule 'undo-missing'

  Scenario: An act without an undo must say so
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { call: 'act:1.0.0@default', with: { capability: shop.tell, args: { what: '${ .w }' }, idempotencyKey: 'k1' } }
    """
    Then the definition should be refused by rule 'effect'

  Scenario: Acts in two branches, undone together
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try:
            - f: { fork: { branches: [ { p: { call: 'act:1.0.0@default', with: { capability: shop.pay, args: { what: '${ .w }' }, idempotencyKey: 'p1' } } }, { q: { call: 'act:1.0.0@default', with: { capability: shop.pay, args: { what: '${ .w }' }, idempotencyKey: 'p2' } } } ] } }
            - r: { raise: { error: { type: 'urn:x', status: 418 } } }
          catch:
            do: [ { u: { call: 'compensate:1.0.0@default', with: { scope: t }, output: { as: '.undone | length' } } } ]
    """
    And given the workflow input is:
    """yaml
    w: x
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    2
    """
    And host shop.test should have been asked 4 times with POST
