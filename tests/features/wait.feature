Feature: Wait
  Durations in both forms, durable and exact.

  Scenario: Wait by members
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: { minutes: 2, seconds: 5 } }
      - done: { set: { x: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And it should take 125 seconds
    And the log should hold 1 timer-set records
    And done should run after pause

  Scenario: Wait by ISO 8601
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: PT1H }
      - done: { set: { x: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And it should take 3600 seconds

  Scenario: Wait by expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: '${ .span }' }
    """
    And given the workflow input is:
    """yaml
    span: PT7S
    """
    When the workflow is executed
    Then the workflow should complete
    And it should take 7 seconds

  Scenario: Wait by members that are expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: { seconds: '${ .n }' } }
    """
    And given the workflow input is:
    """yaml
    n: 9
    """
    When the workflow is executed
    Then the workflow should complete
    And it should take 9 seconds

  Scenario: Wait keeps the input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: PT1S }
    """
    And given the workflow input is:
    """yaml
    kept: true
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    kept: true
    """

  Scenario: Wait for nonsense faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: '${ .span }' }
    """
    And given the workflow input is:
    """yaml
    span: soon
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/pause
    """

  Scenario: A duration that is none is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - pause: { wait: { fortnights: 1 } }
    """
    Then the definition should be refused by rule 'duration'
