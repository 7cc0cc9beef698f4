Feature: Run
  Playbooks inside of playbooks.

  Scenario: Its output is the output of the task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - c: { run: { workflow: { namespace: supplement, name: child, version: '1.0.0', input: { n: '${ .n }' } } } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - a: { set: { twice: '${ .n * 2 }' } }
    """
    And given the workflow input is:
    """yaml
    n: 4
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    twice: 8
    """
    And the log should hold 2 run-started records
    And the log should hold 2 run-ended records

  Scenario: Not waited for
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - c: { run: { workflow: { namespace: supplement, name: child, version: '1.0.0', input: { n: '${ .n }' } }, await: false } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - a: { set: { twice: '${ .n * 2 }' } }
    """
    And given the workflow input is:
    """yaml
    n: 4
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 4
    """
    And the log should hold 2 run-ended records

  Scenario: Its error is an error of the task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t: { try: [ { c: { run: { workflow: { namespace: supplement, name: child, version: '1.0.0' } } } } ], catch: { as: e, do: [ { h: { set: { s: '${ $e.status }' } } } ] } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - r: { raise: { error: { type: 'urn:x', status: 418 } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    s: 418
    """

  Scenario: It waits as long as it needs
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - c: { run: { workflow: { namespace: supplement, name: child, version: '1.0.0', input: { n: '${ .n }' } } } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - w: { wait: PT1H }
      - a: { set: { done: true } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    done: true
    """
    And it should take 3600 seconds

  Scenario: It is cancelled with the one that waits for it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - c: { timeout: { after: PT5S }, run: { workflow: { namespace: supplement, name: child, version: '1.0.0' } } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - w: { wait: PT1H }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout
    """
    And it should take 5 seconds
    And the log should hold 2 run-ended records

  Scenario: Side by side
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { run: { workflow: { namespace: supplement, name: child, version: '1.0.0', input: { n: '${ .n }' } } } } }, { b: { run: { workflow: { namespace: supplement, name: child, version: '1.0.0', input: { n: '${ .n }' } } } } } ] } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - a: { set: { twice: '${ .n * 2 }' } }
    """
    And given the workflow input is:
    """yaml
    n: 4
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { twice: 8 }, { twice: 8 } ]
    """

  Scenario: A version that is not there faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - c: { run: { workflow: { namespace: supplement, name: child, version: '9.9.9', input: { n: '${ .n }' } } } }
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: child, version: '1.0.0' }
    do:
      - a: { set: { twice: '${ .n * 2 }' } }
    """
    And given the workflow input is:
    """yaml
    n: 4
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/runtime
    """

  Scenario: A playbook that is not there is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - c: { run: { workflow: { namespace: supplement, name: nobody, version: '1.0.0', input: { n: '${ .n }' } } } }
    """
    Then the definition should be refused by rule 'unknown-name'

  Scenario: Cancelled from outside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - w: { wait: PT1H }
    """
    When the workflow is executed
    And the workflow is cancelled
    Then the workflow should be cancelled
    And w should not run
