Feature: Input, output, export
  What comes in, what goes out, what is kept, and what must fit.

  Scenario: Input from of the workflow
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    input: { from: .inner }
    do:
      - a: { set: { got: '${ . }' } }
    """
    And given the workflow input is:
    """yaml
    inner: 5
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 5
    """

  Scenario: Input from of a task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { input: { from: .inner }, set: { got: '${ . }' } }
    """
    And given the workflow input is:
    """yaml
    inner: 5
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 5
    """

  Scenario: Input of a task as a mapping
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { input: { from: { x: '${ .inner }' } }, set: { got: '${ .x }' } }
    """
    And given the workflow input is:
    """yaml
    inner: 5
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 5
    """

  Scenario: Output as of a task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { set: { x: 1, y: 2 }, output: { as: '.y' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    2
    """

  Scenario: Output as of the workflow
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    output: { as: '{ was: .x }' }
    do:
      - a: { set: { x: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    was: 1
    """

  Scenario: Export and context
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { set: { x: 1 }, export: { as: '{ kept: .x }' } }
      - b: { set: { y: 2 } }
      - c: { set: { k: '${ $context.kept }', y: '${ .y }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { k: 1, y: 2 }
    """

  Scenario: Export sees the context before
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { set: { x: 1 }, export: { as: '$context + { a: .x }' } }
      - b: { set: { x: 2 }, export: { as: '$context + { b: .x }' } }
      - c: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { a: 1, b: 2 }
    """

  Scenario: What does not fit the schema of the input of a task faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { input: { schema: { document: { type: object, required: [ n ] } } }, set: { x: 1 } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: What does not fit the schema of the output of a task faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { set: { x: 1 }, output: { schema: { document: { required: [ n ] } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: What does not fit the schema of the export of a task faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { set: { x: 1 }, export: { as: '.', schema: { document: { required: [ n ] } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: What does not fit the schema of the input of the workflow faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    input: { schema: { document: { required: [ n ] } } }
    do:
      - a: { set: { x: 1 } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: What does not fit the schema of the output of the workflow faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    output: { schema: { document: { required: [ n ] } } }
    do:
      - a: { set: { x: 1 } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: What fits goes on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { input: { schema: { document: { required: [ n ] } } }, set: { x: 1 } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """

  Scenario: Then by name goes back under a condition
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - a: { set: { n: '${ .n + 1 }' } }
      - s: { switch: [ { more: { when: .n < 3, then: a } }, { enough: { then: end } } ] }
    """
    And given the workflow input is:
    """yaml
    n: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 3
    """
    And a should run 3 times

  Scenario: Exit leaves a list
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { do: [ { a: { set: { x: 1 }, then: exit } }, { b: { set: { x: 2 } } } ] }
      - c: { set: { c: '${ .x }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    c: 1
    """
    And b should not run
