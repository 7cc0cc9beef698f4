Feature: Timeout
  Of a task, of a list, of the run.

  Scenario: Of a task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - p: { wait: PT1H, timeout: { after: PT5S } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/p
    """
    And it should take 5 seconds

  Scenario: In time
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - p: { wait: PT3S, timeout: { after: PT5S } }
      - d: { wait: PT9S }
    """
    When the workflow is executed
    Then the workflow should complete
    And it should take 12 seconds

  Scenario: Of a list
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { timeout: { after: { seconds: 7 } }, do: [ { a: { wait: PT4S } }, { b: { wait: PT4S } }, { c: { set: { x: 1 } } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    instance: /do/0/l
    """
    And b should not run
    And it should take 7 seconds

  Scenario: It is caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { p: { wait: PT1H, timeout: { after: PT5S } } } ]
          catch: { errors: { with: { status: 408 } }, do: [ { h: { set: { late: true } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    late: true
    """

  Scenario: By name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { timeouts: { short: { after: PT2S } } }
    do:
      - p: { wait: PT1H, timeout: short }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    """
    And it should take 2 seconds

  Scenario: By expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - p: { wait: PT1H, timeout: { after: '${ .span }' } }
    """
    And given the workflow input is:
    """yaml
    span: PT3S
    """
    When the workflow is executed
    Then the workflow should fault
    And it should take 3 seconds

  Scenario: Of the run
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    timeout: { after: { minutes: 1 } }
    do:
      - p: { wait: PT1H }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    status: 408
    """
    And it should take 60 seconds

  Scenario: Of the run, which no try catches
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    timeout: { after: PT30S }
    do:
      - t: { try: [ { p: { wait: PT1H } } ], catch: { do: [ { h: { set: { x: 1 } } } ] } }
    """
    When the workflow is executed
    Then the workflow should fault
    And h should not run

  Scenario: Of a fork
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { timeout: { after: PT5S }, fork: { branches: [ { a: { wait: PT2S } }, { b: { wait: PT1H } } ] } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    instance: /do/0/f
    """
    And a should run once
    And it should take 5 seconds

  Scenario: In one branch of a fork
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { try: [ { p: { wait: PT1H, timeout: { after: PT2S } } } ], catch: { do: [ { h: { set: { a: late } } } ] } } }, { b: { do: [ { q: { wait: PT4S } }, { s: { set: { b: 1 } } } ] } } ] } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { a: late }, { b: 1 } ]
    """

  Scenario: Of a wait for an event
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { type: never.v1 } } } }, timeout: { after: PT10S } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    """
    And it should take 10 seconds

  Scenario: An unknown timeout is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - p: { wait: PT1H, timeout: nowhere }
    """
    Then the definition should be refused by rule 'reference'
