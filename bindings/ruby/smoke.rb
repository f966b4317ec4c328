# One order from its creation to its end. With Debian's packages ruby and ruby-ffi, in the folder of the repository:
#   cargo build -p medorder-uniffi && LD_LIBRARY_PATH=target/debug ruby bindings/ruby/smoke.rb

require 'tmpdir'
require_relative 'lib/medorder'

include Medorder

# The generated words are numbers; their names are the constants.
def word(list, number)
  list.constants.find { |name| list.const_get(name) == number }&.to_s&.downcase
end

Dir.mktmpdir do |folder|
  Medorder.generate_key_file("#{folder}/root.key") # whoever loses this file loses the data
  service = OrderService.new("#{folder}/orders.db", Keys::FILE.new(path: "#{folder}/root.key"))

  actor = Actor.new('u-7', Purpose::TREATMENT)
  %w[requester verifier fulfiller auditor administrator].each { |role| actor.add_role(role) }
  actor.add_territory('north')
  admin = service.admin(actor)
  admin.register_territory('north')
  admin.register_relationship('north', 'p-1', 'npi-17')

  session = service.session(actor, 'north')
  events = session.subscribe
  draft = OrderDraft.new('p-1', 'npi-17', 'MRI brain')
  draft.add_diagnosis_code('R51.9')
  draft.set_notes('anxious')
  order = session.create_order(draft)

  verified = StatusChange.new(OrderStatus::VERIFIED)
  verified.set_verification(VerificationData.new('u-7', 'phone'))
  verified.set_expected_version(order.version)
  session.update_status(order.id, verified)
  session.update_status(order.id, StatusChange.new(OrderStatus::IN_PROGRESS))
  completed = StatusChange.new(OrderStatus::COMPLETED)
  completed.set_reason('images sent')
  session.update_status(order.id, completed)

  4.times do
    event = events.next_event(5_000)
    puts "event: #{word(OrderStatus, event.old_status) || 'new'} -> #{word(OrderStatus, event.new_status)}"
  end

  seen = session.order(order.id) # audited before it is answered
  puts "seen: v#{seen.version}, #{seen.service_type}, #{seen.notes}"
  puts "shown: #{seen.to_s.sub(seen.id, 'ID')}"

  begin
    verified.set_expected_version(nil)
    session.update_status(order.id, verified)
  rescue MedorderError::InvalidStatusTransition => e
    details = e.failure.details
    from, why = word(OrderStatus, details.current_status), word(Why, details.why)
    puts "refused: #{word(ErrorCode, e.failure.code).upcase}, from #{from}: #{why}"
  end

  puts "verified: #{word(Verdict, session.verify_audit.verdict)}"
  service.close
end
